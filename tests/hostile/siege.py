"""A fleet under attack: hostile requests in, and the proof that nobody else was hurt."""

import json
import re
import socket
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

from tests.fleet.fleet import PROGRAMS, Answer, Fleet
from tests.fleet.program import until

HOST = b"Host: t\r\n"
_CLICK_ID = re.compile(rb"\r\nX-Click-Id: ([0-9a-f]{32})")
_BUGS = ("door.failed", "spool.failed", "Traceback")
Item = dict[str, Any]


class Siege:
    """One tenant with a campaign and a key; remembers what was acked to whom."""

    def __init__(self, fleet: Fleet, affiliate_link: str = "https://example.com/") -> None:
        self.fleet = fleet
        self.campaign = fleet.campaign(affiliate_link=affiliate_link)
        self.name: str = self.campaign["tracking_id"]
        self.user_id = self.campaign["user_id"]
        self.key = fleet.key(self.user_id)
        self.acked: list[str] = []
        self.dead: list[str] = []  # reasons of the dead letters that the attack leaves
        self.expected = ""  # an exception whose trace the attack may leave in the logs
        self._pids = {name: fleet.pid(name) for name in PROGRAMS}
        self._logs = {name: len(fleet.programs[name].said(0)) for name in PROGRAMS}

    # --- what an attacker does

    def say(self, data: bytes, *, end: bool = True, seconds: float = 5) -> bytes:
        """All that is answered to these bytes until the door hangs up.

        `end`: we say that no more comes.
        """
        said = b""
        with socket.create_connection(("127.0.0.1", self.fleet.port), seconds) as connection:
            with suppress(ConnectionError):  # refused while we were still talking
                connection.sendall(data)
            if end:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionError):
                while part := connection.recv(65536):
                    said += part
        self.acked += [found.decode() for found in _CLICK_ID.findall(said)]
        return said

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; an ack in its answer is remembered."""
        answer = self.fleet.ask(method, target, headers, body)
        if answer.click_id:
            self.acked.append(answer.click_id)
        return answer

    def click(self, query: str = "", headers: Mapping[str, str] | None = None) -> Answer:
        """Follow the tenant's link."""
        return self.ask("GET", f"/r/{self.name}" + (f"?{query}" if query else ""), None, headers)

    def beacon(self, body: bytes, **headers: str) -> Answer:
        """What the tenant's page tells; `content_type` becomes Content-Type."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", f"/e/{self.name}", body, named)

    def post(self, body: bytes, **headers: str) -> Answer:
        """A body to /v1/events with the tenant's key; its verdicts are remembered."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.fleet.ask("POST", "/v1/events", self.key | named, body)
        if answer.status == 202:
            self.acked += [
                one["click_id"]
                for one in orjson.loads(answer.body)["results"]
                if one["status"] == "accepted"
            ]
        return answer

    def item(self, **fields: Any) -> Item:
        """The smallest item of the tenant; any field may be overridden."""
        return {"type": "click", "tracking_id": self.name} | fields

    def sale(self, **fields: Any) -> Item:
        """A conversion of the tenant."""
        return self.item(type="conversion", **fields)

    # --- what must hold

    def refused(self, *bad: Any) -> list[str]:
        """Post each of these items between good neighbours; the reasons of their refusals.

        Fails unless each is refused and each neighbour accepted.
        """
        good = self.item()
        mixed = [part for item in bad for part in (good, item)] + [good]
        answer = self.post(json.dumps(mixed).encode())
        assert answer.status == 202, answer
        results = orjson.loads(answer.body)["results"]
        verdicts = [one["status"] for one in results]
        wanted = ["accepted", "refused"] * len(bad) + ["accepted"]
        assert verdicts == wanted, [mixed[n] for n in range(len(mixed)) if verdicts[n] != wanted[n]]
        return [one["reason"] for one in results if one["status"] == "refused"]

    def accepted(self, *good: Any) -> list[str]:
        """Post these items; the click ids of their verdicts, all of which must be `accepted`."""
        answer = self.post(json.dumps(good).encode())
        assert answer.status == 202, answer
        results = orjson.loads(answer.body)["results"]
        assert [one["status"] for one in results] == ["accepted"] * len(good), results
        return [one["click_id"] for one in results]

    def row(self, click_id: str | None) -> dict[str, Any]:
        """The stored row of a click id, once it is there: type, source, revenue, metadata."""
        assert click_id is not None
        found: list[Any] = []

        def stored() -> bool:
            found[:] = self.fleet.sql(
                "SELECT event_type, source, revenue, metadata FROM analytics_events"
                " WHERE user_id = %s AND metadata->>'click_id' = %s", self.user_id, click_id,
            )  # fmt: skip
            return bool(found)

        until(stored, 10, f"{click_id} is stored")
        return dict(zip(("type", "source", "revenue", "meta"), found[0], strict=True))

    def lift(self) -> None:
        """A last good click; then all that was acked is stored once, and nobody died or erred."""
        assert self.click().status in (302, 404)
        self.fleet.until_drained()
        stored, acked = Counter(self.fleet.stored(self.user_id)), Counter(self.acked)
        assert not stored - acked
        # Of a payment that was told again the ledger keeps each report, and one row counts.
        assert (acked - stored).total() == self._told_again()
        assert sorted(reason for reason, _ in self.fleet.dead()) == sorted(self.dead)
        if self.dead:
            self.fleet.sql("DELETE FROM held_events")
        assert {name: self.fleet.pid(name) for name in PROGRAMS} == self._pids
        for name, since in self._logs.items():
            program = self.fleet.programs[name]
            assert program.running()
            for line in program.said(since).splitlines():
                assert isinstance(orjson.loads(line), dict)
                if not self.expected or self.expected not in line:
                    assert not [bug for bug in _BUGS if bug in line], line

    def _told_again(self) -> int:
        ((count,),) = self.fleet.sql(
            "SELECT count(*) FROM receipts WHERE user_id = %s AND verdict = 'noted'", self.user_id
        )
        return int(count)


def statuses(said: bytes) -> list[int]:
    """The status codes of all answers in `said`, in order."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]


def request(method: bytes, target: bytes, headers: bytes = b"", body: bytes | None = None) -> bytes:
    """The bytes of a request; `headers` are whole lines; a body gets its length."""
    if body is not None:
        headers += b"Content-Length: %d\r\n" % len(body)
    return b"%b %b HTTP/1.1\r\n%b%b\r\n%b" % (method, target, HOST, headers, body or b"")
