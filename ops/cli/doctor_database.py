"""What `doctor` looks at in PostgreSQL: version, tables, partitions, room for sessions, clock."""

from collections.abc import Iterator
from datetime import date, timedelta

from base.clock import now
from base.settings import settings
from db import ledger, migrations, partitions, processes, server
from db.connection import Tx
from db.server import ServerFacts
from ops.cli.database import transaction, where
from ops.cli.findings import Finding, broken, warning, well
from ops.local.fleet import OURS

LEAST_VERSION = 15
MONTHS_AHEAD = 2
LEDGER_DAYS_AHEAD = 2
MOST_CLOCK_SECONDS = 5.0


def check() -> Iterator[Finding]:
    """All of it; raises one sentence when PostgreSQL cannot be reached."""
    with transaction() as tx:
        facts = server.facts(tx)
        yield _version(facts)
        yield clock("PostgreSQL clock", (facts.now - now()).total_seconds())
        at = migrations.current()
        known = at == migrations.head()
        yield _sessions(facts, [each.role for each in processes.alive(tx)] if known else [])
        yield (migrated := _migrations(at))
        if at is not None and migrated.status != "broken":
            yield _months(tx)
            yield _ledger_days(tx)


def clock(name: str, ahead_seconds: float) -> Finding:
    """How far a store's clock is from this host's."""
    if abs(ahead_seconds) > MOST_CLOCK_SECONDS:
        side = "ahead of" if ahead_seconds > 0 else "behind"
        return warning(
            name,
            f"It is {abs(ahead_seconds):.1f} s {side} this host's: let both take their time from"
            " NTP, or events get wrong times.",
        )
    return well(name, f"It agrees with this host's within {MOST_CLOCK_SECONDS:.0f} s.")


def _version(facts: ServerFacts) -> Finding:
    number = facts.version // 10_000
    if number < LEAST_VERSION:
        return broken(
            "PostgreSQL", f"Version {number} at {where()} is too old: use {LEAST_VERSION} or newer."
        )
    if facts.fsync != "on":
        return broken("PostgreSQL", "fsync is off, so a crash may lose all of it: switch it on.")
    return well("PostgreSQL", f"Version {number} at {where()} answers.")


def _sessions(facts: ServerFacts, running: list[str]) -> Finding:
    """Whether there is room for all processes: those of `up`, or more that were seen, by role."""
    chosen = settings()
    planned = [program.name for program in OURS.programs]
    roles = max(planned, running, key=len)
    wanted = sum(map(chosen.sessions, roles))
    says = (
        f"{len(roles)} processes may open {wanted} sessions in all; PostgreSQL allows"
        f" {facts.max_connections} and has {facts.connections}"
    )
    if wanted > facts.max_connections:
        return warning("sessions", f"{says}: lower HOPFLEET_POOL_MAX or raise max_connections.")
    return well("sessions", f"{says}.")


def _migrations(at: str | None) -> Finding:
    head = migrations.head()
    if at == head:
        return well("tables", f"They are of this version ({head}).")
    if at is None:
        return broken("tables", "The database has none of ours yet: run `hopfleet migrate`.")
    if at not in migrations.known():
        return warning(
            "tables", f"They are of a newer version ({at}) than this program ({head}): update it."
        )
    return broken("tables", f"They are of version {at}, not {head}: run `hopfleet migrate`.")


def _months(tx: Tx) -> Finding:
    have, today = partitions.months(tx), now().date()
    first = today - timedelta(days=partitions.DAYS_BACK)
    wanted = _months_between(first, today.year * 12 + today.month - 1 + MONTHS_AHEAD)
    missing = [f"{year}-{month:02d}" for year, month in wanted if (year, month) not in have]
    if missing:
        return broken(
            "partitions",
            f"Events of {', '.join(missing)} have nowhere to go: start `hopfleet scheduler`, or run"
            " `hopfleet migrate` once.",
        )
    return well("partitions", f"Every month has one, at least {MONTHS_AHEAD} months ahead.")


def _months_between(first: date, last: int) -> list[tuple[int, int]]:
    start = first.year * 12 + first.month - 1
    return [(month // 12, month % 12 + 1) for month in range(start, last + 1)]


def _ledger_days(tx: Tx) -> Finding:
    missing = ledger.days_missing(tx, now().date() + timedelta(days=LEDGER_DAYS_AHEAD))
    if missing:
        return broken(
            "ledger",
            f"{len(missing)} days lack a partition, from {missing[0]} on: start"
            " `hopfleet scheduler`, or run `hopfleet migrate` once.",
        )
    return well("ledger", "Every day has a partition.")
