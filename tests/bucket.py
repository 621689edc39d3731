"""A real S3 server that checks signatures, with one bucket in it."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from obstore.store import S3Store

from ops.local.ports import free_port
from tests.fleet.program import until

NAME, KEY, SECRET = "bonuses", "TESTKEY", "test/secret+1"
_NEEDS = ("master", "volume", "filer", "s3")
_IDENTITY = {
    "name": "test",
    "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
    "actions": ["Admin", "Read", "Write", "List"],
}


@contextmanager
def bucket() -> Iterator[tuple[str, S3Store]]:
    """Its address as `HOPFLEET_S3_URL` has it, and the bucket, opened."""
    folder = Path(tempfile.mkdtemp(prefix="hopfleet-s3-"))
    (folder / "identities.json").write_text(json.dumps({"identities": [_IDENTITY]}))
    ports = {name: (free_port(), free_port()) for name in _NEEDS}
    flags = [
        flag
        for name, (port, grpc) in ports.items()
        for flag in (f"-{name}.port={port}", f"-{name}.port.grpc={grpc}")
    ]
    port = ports["s3"][0]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("weed")), "server", f"-dir={folder}", "-s3",
                "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false",
                "-volume.max=4", f"-s3.config={folder / 'identities.json'}", *flags,
            ],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        until(lambda: _answers(port), 30, "the S3 server answers")
        store = _store(port)
        until(lambda: _made(folder, ports["filer"][0]), 30, "the bucket is there")
        yield f"s3://{KEY}:test%2Fsecret%2B1@127.0.0.1:{port}/{NAME}?tls=0", store
    finally:
        process.kill()  # at SIGTERM it stays for half a minute
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _store(port: int) -> S3Store:
    return S3Store(
        NAME, endpoint=f"http://127.0.0.1:{port}", access_key_id=KEY, secret_access_key=SECRET,
        region="us-east-1", virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )  # fmt: skip


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status in (200, 403)
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _made(folder: Path, filer: int) -> bool:
    """A bucket is a folder of the server's own store."""
    connection = HTTPConnection("127.0.0.1", filer, timeout=2)
    try:
        connection.request("POST", f"/buckets/{NAME}/", headers={"Content-Length": "0"})
        return connection.getresponse().status in (200, 201)
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
