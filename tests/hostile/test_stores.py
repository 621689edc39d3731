"""Items 58 and 64: rights at the embedded stores, and where our dependencies come from."""

import re

import pytest
import redis

from tests.hostile.siege import Siege
from tests.reading import ROOT
from workers.on_redis import NAMESPACE

_DANGEROUS = (
    ("FLUSHALL",), ("FLUSHDB",), ("SHUTDOWN", "NOSAVE"), ("CONFIG", "SET", "dir", "/tmp"),
    ("ACL", "SETUSER", "evil"), ("MODULE", "LOAD", "/tmp/x.so"), ("DEBUG", "SLEEP", "0"),
    ("REPLICAOF", "127.0.0.1", "1"), ("MONITOR",), ("SAVE",), ("MIGRATE", "h", "1", "k", "0", "1"),
)  # fmt: skip


@pytest.mark.parametrize("store", ["broker", "journal"])
def test_item_58_no_process_of_ours_may_reconfigure_a_redis(siege: Siege, store: str) -> None:
    with redis.Redis.from_url(siege.fleet.stores[store].url, socket_timeout=5) as connection:
        for command in _DANGEROUS:
            with pytest.raises(redis.ResponseError):  # most: no permission
                connection.execute_command(*command)
    nobody = re.sub(r"//.*@", "//", siege.fleet.stores[store].url)
    refusals = (redis.exceptions.NoPermissionError, redis.AuthenticationError)
    with redis.Redis.from_url(nobody, socket_timeout=5) as stranger, pytest.raises(refusals):
        stranger.ping()


def test_item_58_dramatiqs_upkeep_may_do_what_it_needs(siege: Siege) -> None:
    with redis.Redis.from_url(siege.fleet.stores["broker"].url, socket_timeout=5) as connection:
        found = connection.eval(f"return #redis.call('keys', '{NAMESPACE}:*')", 0)
        connection.script_load("return 1")

    assert int(str(found)) > 0


def test_item_64_each_dependency_is_locked_by_its_digest() -> None:
    for name in ("requirements.lock", "bootstrap.lock"):
        text = (ROOT / name).read_text().replace("\\\n", " ")
        wanted = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]

        assert wanted
        for line in wanted:
            assert re.match(r"[A-Za-z0-9_.\[\]-]+==\S+ ", line), line
            assert "--hash=sha256:" in line
            assert "://" not in line
