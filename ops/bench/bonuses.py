"""Deliveries a second: links of one bonus, and mails to a server on this machine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import orjson

from base.clock import sleep, steady
from base.errors import HopfleetError
from ops.bench import database, traffic
from ops.bench.children import child, python
from ops.bench.commands import command
from ops.bench.driving import drive
from ops.bench.stage import Stage
from ops.bench.traffic import Target
from ops.local.ports import free_port

_ITEMS = 500  # in one request
_START_SECONDS = 30.0
_LONGEST_SECONDS = 300.0
_POLL_SECONDS = 0.05
_COUNT = "mails"

Say = Callable[[str], None]


@contextmanager
def mailbox(ready: Stage) -> Iterator[Stage]:
    """The same stage with a mail server, which the fleet's processes are told of."""
    port = free_port()
    (ready.folder / _COUNT).touch()
    argv = python("-m", "ops.bench.mailbox", str(port), str(ready.folder / _COUNT))
    with child("mailbox", argv, ready.environment, ready.folder) as server:
        end = steady() + _START_SECONDS
        while "ready" not in server.said():
            if steady() > end or not server.running():
                raise server.failed("did not start")
            sleep(_POLL_SECONDS)
        told = {"HOPFLEET_SMTP_URL": f"smtp://127.0.0.1:{port}"}
        yield replace(ready, environment={**ready.environment, **told})


def mails(ready: Stage) -> int:
    """How many the mail server has taken."""
    return (ready.folder / _COUNT).stat().st_size


def measure(ready: Stage, port: int, downloads: int, letters: int, say: Say) -> dict[str, Any]:
    """Deliveries a second of a download and of a mail, each of one bonus, from a backlog."""
    links = database.links_by_account(ready.url)
    found: dict[str, Any] = {}
    # Mails first: a link is mailed as well, behind its delivery.
    for method, links_of, count in (
        ("email", links[1], letters),
        ("download", links[0], downloads),
    ):
        say(f"{count:,} deliveries by {method} …")
        before = mails(ready)
        seconds = _deliver(ready, port, links_of[0], method, count)
        found[f"{method}_deliveries"] = count
        found[f"{method}_deliveries_per_second"] = round(count / seconds, 1)
        if method == "email" and mails(ready) - before != count:
            raise HopfleetError(f"{mails(ready) - before} mails came of {count}.")
    return found


def _deliver(ready: Stage, port: int, tracking_id: str, method: str, count: int) -> float:
    """Let `count` sales owe a delivery each while nobody delivers; seconds from then on."""
    bonus = command(
        ready, "bonuses", "add", "--campaign", tracking_id, "--name", f"Bench {method}",
        "--file-url", "https://files.example.com/workbook.pdf", "--method", method,
    )["id"]  # fmt: skip
    command(ready, "queues", "pause", "bonuses")
    _sell(ready, port, tracking_id, method, count)
    _wait(lambda: database.deliveries(ready.url, bonus).owed >= count)
    command(ready, "queues", "resume", "bonuses")
    _wait(lambda: database.deliveries(ready.url, bonus).delivered >= count)
    if (got := database.deliveries(ready.url, bonus)) != (count, count, count):
        raise HopfleetError(f"{count} sales made {got}.")
    return database.seconds_to_deliver(ready.url, bonus)


def _wait(done: Callable[[], bool]) -> None:
    end = steady() + _LONGEST_SECONDS
    while not done():
        if steady() > end:
            raise HopfleetError(f"Bonuses took longer than {_LONGEST_SECONDS:.0f} s.")
        sleep(_POLL_SECONDS)


def _sell(ready: Stage, port: int, tracking_id: str, method: str, count: int) -> None:
    email = database.owner_of(ready.url, tracking_id)
    key = command(ready, "keys", "add", "--user", email)["key"]
    items = [
        {
            "type": "conversion", "tracking_id": tracking_id, "order_id": f"{method}-{number}",
            "amount": "9.90", "email": f"buyer{number}@example.com",
        }
        for number in range(count)
    ]  # fmt: skip
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    requests = [
        Target("/v1/events", "POST", headers, orjson.dumps(items[at : at + _ITEMS]).decode())
        for at in range(0, count, _ITEMS)
    ]
    file = ready.folder / f"{method}.json"
    traffic.save(requests, file)
    drive(port, file, ready.folder, ready.environment, seconds=0, requests=len(requests))
