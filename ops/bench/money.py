"""`hopfleet bench money`: from a notification, a postback or a sale to all that follows it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from base.clock import now
from base.errors import HopfleetError
from ops.bench import bonuses, database, sales, traffic
from ops.bench.commands import command
from ops.bench.driving import drive, warm_up
from ops.bench.side import one, side
from ops.bench.stage import Stage, stage
from ops.bench.traffic import Target
from ops.bench.usual import notified
from ops.bench.whole import Fleet, fleet

_DRAIN_SECONDS = 120.0
_VISIT_RATE = 500.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How many of each; the usual way is asked for some seconds in each of its shapes."""

    notifications: int = 40_000
    clicks: int = 4_000
    postbacks: int = 20_000
    downloads: int = 10_000
    mails: int = 2_000
    usual_seconds: float = 5.0
    beside_seconds: float = 5.0
    shapes: tuple[tuple[int, int], ...] = notified.SHAPES
    skip_usual: bool = False


QUICK = Effort(
    notifications=2_000, clicks=200, postbacks=500, downloads=200, mails=50, usual_seconds=1.0,
    beside_seconds=1.0, shapes=((1, 10),),
)  # fmt: skip


@dataclass(frozen=True)
class Account:
    """One user: the address of its key at the door, and the clicks its sales may follow."""

    email: str
    clickbank: str
    postback: str
    clicks: tuple[str, ...]


def measure(effort: Effort, say: Say) -> dict[str, Any]:
    """Everything in one run on stores of its own."""
    with stage() as bare, bonuses.mailbox(bare) as ready:
        with fleet(ready) as running:
            warm_up(ready.url, running.port, traffic.read(ready.targets)[0])
            accounts = _accounts(ready, running, effort.clicks)
            found = _notifications(ready, running, accounts, effort, say)
            if effort.postbacks:
                say("Postbacks …")
                found |= _postbacks(ready, running, accounts, effort.postbacks)
            found |= _beside(ready, running, accounts, effort, say)
            found |= bonuses.measure(ready, running.port, effort.downloads, effort.mails, say)
            running.check()
        if not effort.skip_usual:
            say("The usual way, at its best of several shapes …")
            found |= _usual(ready, found["notifications_per_second"], effort)
    return {"cores": os.cpu_count(), **found}


def _accounts(ready: Stage, running: Fleet, clicks: int) -> list[Account]:
    """The stage's users with keys and with clicks that are rows."""
    drive(running.port, ready.targets, ready.folder, ready.environment, seconds=0, requests=clicks)
    database.wait_for_rows(ready.url, clicks, _DRAIN_SECONDS)
    found = []
    for email, ids in database.clicks_by_account(ready.url).items():
        keys = {
            network: str(
                command(ready, "integrations", "add", network, "--user", email, *more)["key"]
            )
            for network, more in (("clickbank", ("--secret", sales.SECRET)), ("postback", ()))
        }
        found.append(Account(email, keys["clickbank"], keys["postback"], tuple(ids)))
    return found


def _notifications(
    ready: Stage, running: Fleet, accounts: list[Account], effort: Effort, say: Say
) -> dict[str, Any]:
    say(f"{effort.notifications:,} notifications, encrypted beforehand …")
    told = _told(accounts, effort.notifications)
    targets = ready.folder / "notifications.json"
    traffic.save([sales.post(key, each, os.urandom(16)) for key, each in told], targets)
    say("… through the door to their events")
    database.settle(ready.url)
    done, seconds, load = _through(ready, running, targets, len(told))
    revenue = database.payments(ready.url).revenue
    expected = sum((each.revenue for _, each in told), Decimal(0))
    if done.events != len(told) or revenue != expected or done.attributed != done.events:
        raise HopfleetError(
            f"{done.events} events, {done.attributed} of a campaign, with {revenue} dollars;"
            f" it should be {len(told)}, with {expected}."
        )
    return {
        "notifications": len(told),
        "notifications_per_second": round(len(told) / seconds, 1),
        "notifications_accepted_per_second": load["per_second"],
        "notifications_p50_ms": load["latency_ms"]["p50"],
        "notifications_p99_ms": load["latency_ms"]["p99"],
        "notifications_cores": _cores(load),
        "others_cores": load["others_cores"],
    }


def _told(accounts: list[Account], count: int) -> list[tuple[str, sales.Told]]:
    """The messages of all accounts in turn, each with the key of its account."""
    at = now()
    each = count // len(accounts)
    of_accounts = [
        [
            (account.clickbank, told)
            for told in sales.notifications(account.clicks, each, at, seed=n)
        ]
        for n, account in enumerate(accounts)
    ]
    return [told for row in zip(*of_accounts, strict=True) for told in row]


def _through(
    ready: Stage, running: Fleet, targets: Path, count: int
) -> tuple[database.Payments, float, dict[str, Any]]:
    """Send all targets; payments then, seconds until their last event, and the load's figures."""
    before = database.payments(ready.url).events
    pids = {name: each.pid for name, each in running.children.items()} | ready.pids
    # At the end of the list the generator begins anew, until it is told: repeats, that must
    # not count.
    done = drive(
        running.port, targets, ready.folder, ready.environment,
        seconds=0, requests=count, watched=pids,
    )  # fmt: skip
    waited = database.wait_for_payments(ready.url, before + count, _DRAIN_SECONDS)
    running.check()
    return database.payments(ready.url), done.report["seconds"] + waited, done.figures


def _cores(load: dict[str, Any]) -> dict[str, float]:
    return {name: round(use["cores"], 2) for name, use in load["usage"].items()}


def _postbacks(ready: Stage, running: Fleet, accounts: list[Account], count: int) -> dict[str, Any]:
    """Sales by another network's GET, all of clicks we know."""
    each = count // len(accounts)
    targets = [
        Target(f"/postback/{account.postback}?click_id={account.clicks[n % len(account.clicks)]}"
               f"&order_id=pb{at}-{n}&amount=12.50&status=approved")
        for n in range(each) for at, account in enumerate(accounts)
    ]  # fmt: skip
    traffic.save(targets, ready.folder / "postbacks.json")
    _, seconds, load = _through(ready, running, ready.folder / "postbacks.json", len(targets))
    return {
        "postbacks": len(targets),
        "postbacks_per_second": round(len(targets) / seconds, 1),
        "postbacks_cores": _cores(load),
    }


def _beside(
    ready: Stage, running: Fleet, accounts: list[Account], effort: Effort, say: Say
) -> dict[str, Any]:
    """Visitors' p99 alone and beside as many notifications as come."""
    visits = traffic.read(ready.targets)

    def visitors() -> float:
        report = one("visitors", running.port, visits, ready.folder, ready.environment,
                     seconds=effort.beside_seconds, rate=_VISIT_RATE)  # fmt: skip
        return float(report["latency_ms"]["p99"])

    say("Visitors alone, and beside notifications …")
    alone = visitors()
    at, rate = now(), 3_000
    wanted = int(rate * (effort.beside_seconds + 2))
    told = sales.notifications(accounts[0].clicks, wanted, at, seed=99)
    targets = [sales.post(accounts[0].clickbank, each, os.urandom(16)) for each in told]
    with side(
        "flood", running.port, targets, ready.folder, ready.environment,
        seconds=effort.beside_seconds + 1, rate=rate, connections=64,
    ) as flood:  # fmt: skip
        beside = visitors()
        report = flood.report()
    return {
        "visitors_alone_p99_ms": alone,
        "visitors_beside_p99_ms": beside,
        "notifications_beside_per_second": report["per_second"],
    }


def _usual(ready: Stage, ours: float, effort: Effort) -> dict[str, Any]:
    def best(shapes: tuple[tuple[int, int], ...], app: str) -> dict[str, Any]:
        return notified.measure(
            ready.usual_url, ready.folder / "notifications.json", ready.folder,
            ready.environment, effort.usual_seconds, shapes, app,
        )  # fmt: skip

    usual = best(effort.shapes, notified.APP)
    bare = best(notified.BARE_SHAPES[: len(effort.shapes)], notified.BARE_APP)
    return {
        "usual_per_second": usual["per_second"],
        "usual_shape": f"{usual['processes']} processes, {usual['connections']} connections each",
        "usual_p50_ms": usual["load"]["latency_ms"]["p50"],
        "notifications_to_usual": round(ours / usual["per_second"], 2),
        "usual_by_hand_per_second": bare["per_second"],
        "notifications_to_usual_by_hand": round(ours / bare["per_second"], 2),
        "usual_tried": [*usual["tried"], *bare["tried"]],
    }
