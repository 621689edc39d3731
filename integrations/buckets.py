"""S3: addresses of files in a bucket that work for a while without the bucket's keys."""

import re
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import obstore
from obstore.store import S3Store

from base.errors import Misused, Refused

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_MOST_KEY_BYTES = 1024


class Place(NamedTuple):
    """A file in a bucket."""

    bucket: str
    key: str


def place_of(url: str) -> Place:
    """The file of `s3://bucket/key`; raises `Refused` for anything else, and for `..` in it."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not _BUCKET.fullmatch(bucket) or not key:
        raise Refused("A file in S3 has an address such as s3://bucket/folder/file.pdf.")
    if len(key.encode("utf-8", "replace")) > _MOST_KEY_BYTES or not key.isprintable():
        raise Refused("The file's name in S3 is too long, or cannot be printed.")
    if any(part in ("", ".", "..") for part in key.split("/")):
        raise Refused("The file's name in S3 has an empty part, or one of dots alone.")
    return Place(bucket, key)


@lru_cache(4)
def bucket_of(url: str) -> str:
    """The name of the bucket at `s3://KEY:SECRET@host:port/bucket?region=&tls=`."""
    return _opened(url)[0]


def presigned(url: str, key: str, seconds: float) -> str:
    """An address from which anybody may read this file of the bucket at `url` for a while.

    Nothing is asked of the server: whether the file is there, its visitor finds out.
    """
    _, store = _opened(url)
    return obstore.sign(store, "GET", key, timedelta(seconds=seconds))


@lru_cache(4)
def _opened(url: str) -> tuple[str, S3Store]:
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        parts, host = urlsplit(""), ""
    bucket = parts.path.strip("/")
    if parts.scheme != "s3" or not host or not _BUCKET.fullmatch(bucket):
        raise Misused(
            "HOPFLEET_S3_URL is no address of a bucket: it looks like"
            " s3://KEY:SECRET@s3.example.com:443/bucket?region=eu-central-1&tls=1."
        )
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    local = (parts.hostname or "") in ("localhost", "127.0.0.1", "::1")
    tls = asked.get("tls", "0" if local else "1") in ("1", "true", "yes")
    store = S3Store(
        bucket,
        endpoint=f"{'https' if tls else 'http'}://{host}",
        access_key_id=unquote(parts.username or ""),
        secret_access_key=unquote(parts.password or ""),
        region=asked.get("region") or "us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": not tls},
    )
    return bucket, store
