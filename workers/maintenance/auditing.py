"""The audit: holds what doors say they acked against rows, dead letters and what still waits.

Spool first, then journal, then one snapshot of the database: what moves on meanwhile is seen at
least once, and a batch that the ledger knows waits no more, wherever it was seen.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client.core import Metric

from admin.numbers import gauge
from base import clock
from base.clock import from_ms
from base.ids import is_click_id, ms_of
from base.logs import log
from base.settings import settings
from db import audit
from db.audit import Spool
from db.connection import Tx, transaction
from journal import claims
from journal.place import place
from journal.spool import Damage, read
from journal.streams import Kind
from journal.waiting import Waiting, waiting
from rules.audit import Line, balance
from schemas.items import doors_of, doors_read, doors_text, unpack

CLOSED_AFTER_SECONDS = 10  # doors say what they acked within two seconds
WAIT_SECONDS = 5.0
LIMIT_SECONDS = 60.0
_LATELY = timedelta(hours=24)
_KEPT = timedelta(days=audit.KEPT_DAYS, minutes=-1)

last: "Report | None" = None  # of this process


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit found, minute by minute; `spools` are those on other hosts.

    Unless `whole`, more waits in the journal than was read, and what is missing may be there.
    """

    since: datetime
    until: datetime
    lines: list[Line]
    spools: list[Spool]
    whole: bool

    @property
    def missing(self) -> int:
        """Items that were acked and are nowhere: each one is a broken promise."""
        return sum(line.missing for line in self.lines)

    @property
    def elsewhere(self) -> int:
        """Items that were acked and may wait where this audit could not look."""
        return sum(line.elsewhere for line in self.lines)

    @property
    def surplus(self) -> int:
        """Items that are there without having been acked: stored twice, or never told."""
        return sum(line.surplus for line in self.lines)


def audit_since(since: datetime, at: datetime | None = None) -> Report:
    """All closed minutes from `since` on, by the database's clock; raises `StoreAway`."""
    claims.waiting(Kind.CLICKS)  # an outage is known before gigabytes of spools are read
    batches = {one.id: one for one in _spooled()}
    whole = True
    for kind in Kind:
        found, to_the_end = waiting(kind)
        batches = {one.id: one for one in found} | batches
        whole &= to_the_end
    with transaction(wait_seconds=WAIT_SECONDS, limit_seconds=LIMIT_SECONDS) as tx:
        return take(tx, batches, since, at, whole=whole)


def audit_lately() -> None:
    """Hold what doors acked against what became of it; say it loudly when something is missing."""
    with transaction(wait_seconds=2.0, limit_seconds=LIMIT_SECONDS) as tx:
        audit.fold(tx)
    report = audit_since(clock.now() - _LATELY)
    if report.missing:
        log().error("audit.missing", events=report.missing, since=report.since.isoformat())
    if report.surplus:
        log().warning("audit.surplus", events=report.surplus, since=report.since.isoformat())
    remember(report)


def take(
    tx: Tx, batches: dict[str, Waiting], since: datetime, at: datetime | None, *, whole: bool
) -> Report:
    """The audit itself; `batches` were waiting before this transaction began."""
    now = audit.snapshot(tx)
    until = _floor((at or now) - timedelta(seconds=CLOSED_AFTER_SECONDS))
    # Dead letters are kept for longer than what they are held against.
    since = _floor(max(since, now - _KEPT))
    found: Counter[tuple[int, str, str]] = Counter(audit.outcomes(tx, since, until))
    for batch_id, doors, state in audit.held(tx, since, until):
        _add(found, batch_id, doors_read(doors), state)
    known = [batch_id for batch_id in batches if is_click_id(batch_id)]
    for batch_id in set(known) - audit.written(tx, known):
        one = batches[batch_id]
        _add(found, batch_id, doors_read(one.doors, one.items), "waiting")
    first, last = _minute(since), _minute(until)
    inside = {key: count for key, count in found.items() if first <= key[0] < last}
    here = place(settings().spool_root)
    spools = [one for one in audit.spools(tx) if one.place != here]
    # From when on what is missing may lie where we did not look.
    unseen = [one.oldest_at or one.seen_at for one in spools] + ([] if whole else [since])
    elsewhere_since = min(map(_minute, unseen), default=None)
    lines = balance(audit.told(tx, since, until), inside, elsewhere_since)
    return Report(since, until, lines, spools, whole)


def remember(report: Report) -> None:
    """Keep the last audit's result for whoever asks this process, such as /metrics."""
    global last
    last = report


def collect() -> Iterator[Metric]:
    """What the last audit of this process found; nothing before the first."""
    if last is None:
        return
    yield gauge(
        "hopfleet_audit_missing_events",
        "Events of the last 24 hours that were acknowledged and are nowhere: alarm above 0.",
        last.missing,
    )
    yield gauge(
        "hopfleet_audit_elsewhere_events",
        "Those of them that may wait in another host's spool, or too far back in the journal.",
        last.elsewhere,
    )
    yield gauge(
        "hopfleet_audit_surplus_events",
        "Events of the last 24 hours that are there and no door has told of.",
        last.surplus,
    )


def _add(
    found: Counter[tuple[int, str, str]], batch_id: str, doors: dict[str, int], word: str
) -> None:
    for door, count in doors.items():
        found[ms_of(batch_id) // 60_000, door, word] += count


def _spooled() -> Iterator[Waiting]:
    """The batches in the spools of this host; doors may send them off meanwhile."""
    for segment in sorted(settings().spool_root.glob("*/*.seg")):
        try:
            batches = list(read(segment, Damage()))
        except FileNotFoundError:
            continue
        for batch in batches:
            try:
                doors = doors_text(doors_of(unpack(batch.body)))
            except ValueError:
                doors = ""
            yield Waiting(batch.id, batch.count, doors)


def _floor(moment: datetime) -> datetime:
    return from_ms(_minute(moment) * 60_000)


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60
