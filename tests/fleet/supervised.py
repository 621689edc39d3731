"""A fleet under `hopfleet up`: what is killed here, the supervisor starts again."""

import json
import os
import signal
from collections.abc import Mapping
from functools import partial
from typing import Any

from base.clock import sleep, steady
from ops.local.servers import forget
from tests.fleet.fleet import Fleet
from tests.fleet.program import Program, until

# Their names for our parts, and for our stores' addresses.
_PARTS = {"worker": "worker-events", "upkeep": "worker-rest"}
_ADDRESSES = {"postgres": "database_url", "journal": "journal_url", "broker": "redis_url"}
_SETTLED_SECONDS = 31  # a part that ended before, and ran for less, is started later and later


class Supervised(Fleet):
    """The same parts under the same names, none of them started by us."""

    def _start(self) -> None:
        words = ("up", "--no-demo", "--port", str(self.port))
        self._up = Program("up", words, self._bare_environment(), self.folder)
        self._up.start()
        until(lambda: self._up.says("Ctrl-C", 0), 60, "everything has started")
        self._killed: dict[str, tuple[int, float]] = {}  # the process and when, by part

    def _told(self, file: str) -> Any:
        return json.loads((self.folder / "data" / file).read_text())

    def url(self, store: str) -> str:
        """The address of a store, as the supervisor tells its children."""
        return str(self._told("stores.json")[_ADDRESSES[store]])

    def pid(self, name: str) -> int:
        """The process id that the supervisor wrote down last."""
        wanted = _PARTS.get(name, name)
        return next(int(c["pid"]) for c in self._told("children.json") if c["name"] == wanted)

    def settle(self, name: str) -> None:
        """Wait until the supervisor has forgotten that this part has ended before."""
        if name in self._killed:
            sleep(max(0.0, self._killed[name][1] + _SETTLED_SECONDS - steady()))

    def kill(self, *names: str) -> None:
        """`kill -9`; the supervisor notices by itself."""
        for name in names:
            pid = self.pid(name)
            os.kill(pid, signal.SIGKILL)
            self._killed[name] = pid, steady()

    def start(self, *names: str, environment: Mapping[str, str] | None = None) -> None:
        """Wait until the supervisor has started anew what we killed."""
        assert environment is None, "the supervisor decides"
        for name in names:
            pid, _ = self._killed[name]
            until(partial(self._again, name, pid), 20, f"{name} is started again")

    def _again(self, name: str, pid: int) -> bool:
        return self.pid(name) != pid

    def end(self) -> None:
        """Press Ctrl-C and remove the folder."""
        if self._up.running():
            self._up.send(signal.SIGINT)
            self._up.wait(20)
        forget(self.folder)
