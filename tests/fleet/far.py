"""A second host: a network namespace with a link to the stores, and one to the visitors."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fleet.fleet import Fleet
from tests.fleet.proxy import Proxy
from tests.fleet.wires import PostgresWatch, RedisWatch

_SETTINGS = {"DATABASE_URL": "postgres", "JOURNAL_URL": "journal", "REDIS_URL": "broker"}


class Far:
    """The other host: how a program runs in it, what is set there, and its link."""

    def __init__(self, fleet: Fleet, number: int) -> None:
        self.name = f"hf{os.getpid()}"
        self.near = f"10.213.{number}.1"  # the stores, as this host sees them
        self.public = f"10.214.{number}.2"  # this host, as visitors see it
        self.folder = fleet.folder / "far"
        # Of its own: in each, the first process is number 1, under one and the same host name.
        self.inside = ("ip", "netns", "exec", self.name,
                       "unshare", "--pid", "--fork", "--kill-child")  # fmt: skip
        self._number = number

    @property
    def spool(self) -> Path:
        """What its doors could not hand over."""
        return self.folder / "spool"

    def make(self, stack: ExitStack) -> None:
        """The namespace and both links; they are gone when the stack ends."""
        _ip(f"netns add {self.name}")
        stack.callback(_ip, f"netns del {self.name}")
        for suffix, network in (("s", f"10.213.{self._number}"), ("v", f"10.214.{self._number}")):
            here, there = f"{self.name}{suffix}", f"{self.name}{suffix}0"
            _ip(f"link add {here} type veth peer name {there} netns {self.name}")
            _ip(f"addr add {network}.1/30 dev {here}")
            _ip(f"-n {self.name} addr add {network}.2/30 dev {there}")
            _ip(f"-n {self.name} link set {there} up")
            _ip(f"link set {here} up")

    def environment(self, fleet: Fleet, stack: ExitStack) -> dict[str, str]:
        """The stores by their address on the link; a data folder of its own."""
        found = {"HOPFLEET_DATA_DIR": str(self.folder), "HOPFLEET_HOST": self.public}
        for setting, store in _SETTINGS.items():
            watch = PostgresWatch if store == "postgres" else RedisWatch
            proxy = Proxy(fleet.stores[store].port, watch, host=self.near)
            stack.callback(proxy.end)
            url = urlsplit(fleet.stores[store].url)
            netloc = f"{url.netloc.rpartition('@')[0]}@{self.near}:{proxy.port}"
            found[f"HOPFLEET_{setting}"] = url._replace(netloc=netloc).geturl()
        return found

    def cut(self) -> None:
        """Nothing passes between this host and the stores."""
        _ip(f"link set {self.name}s down")

    def restore(self) -> None:
        """The link is back."""
        _ip(f"link set {self.name}s up")


def _ip(words: str) -> None:
    done = subprocess.run(["ip", *words.split()], capture_output=True, text=True)
    if done.returncode:
        raise OSError(done.stderr.strip())


@contextmanager
def far_host(fleet: Fleet) -> Iterator[tuple[Far, dict[str, str]]]:
    """A far host and its settings; skips where nobody may make one."""
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"):
        pytest.skip("a second host needs root, ip and unshare")
    far = Far(fleet, os.getpid() % 250)
    with ExitStack() as stack:
        try:
            far.make(stack)
        except OSError as error:
            pytest.skip(f"no network namespace can be made here: {error}")
        yield far, far.environment(fleet, stack)
