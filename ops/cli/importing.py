"""Importing an access log: lines become clicks at their old times, each once, chunk by chunk.

A chunk is one transaction that first looks which of its clicks are stored, so an import may be
killed and repeated, and the same file may be imported twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from base import clock
from base.clock import now
from base.errors import HopfleetError, Refused, Transient
from base.settings import settings
from db import events, links, partitions
from db.links import LinkRow
from journal.streams import Kind
from ops.cli.access_logs import Asked, Repeats, Wanted, item
from ops.cli.database import transaction
from ops.cli.log_files import LogFile, Rejected
from ops.cli.output import note
from ops.cli.progress import Bar
from workers.outcome import Found, Outcome
from workers.store import write

CHUNK = 5_000  # clicks a transaction: well under a second
_AHEAD = timedelta(minutes=5)
_OLDEST = date(1995, 1, 1)  # before the first access log: the line is wrong, not old
_MOST_LINKS = 100_000
_TRIES = 10
_TRY_AGAIN_SECONDS = 0.5


@dataclass
class Tally:
    """What became of the lines."""

    lines: int = 0
    stored: int = 0
    already: int = 0  # imported before
    passed_over: int = 0  # other pages, other methods, failed requests
    gone: int = 0  # their campaign was deleted meanwhile


class Importer:
    """One import of one file."""

    def __init__(self, wanted: Wanted, rejected: Rejected) -> None:
        self.tally = Tally()
        self._wanted = wanted
        self._rejected = rejected
        self._repeats = Repeats()
        self._links: dict[str, LinkRow | None] = {}
        self._months: set[tuple[int, int]] = set()
        self._latest = now() + _AHEAD

    def run(self, log: LogFile, shown: Bar) -> None:
        """Read all of it; raises one sentence when the file or a store fails on the way."""
        for chunk in _chunks(log):
            first = log.number - len(chunk) + 1
            self.tally.lines += len(chunk)
            asked = [
                one
                for number, line in enumerate(chunk, first)
                if (one := self._read(number, line)) is not None
            ]
            if asked:
                self._store(asked)
            shown.to(log.position, f"{self.tally.stored:,} clicks")

    def _read(self, number: int, line: bytes) -> Asked | None:
        if not line.strip() or line.startswith(b"#"):
            self.tally.passed_over += 1
            return None
        try:
            asked = self._wanted.read(number, line)
            if asked is not None:
                self._check_time(asked.visit.time)
        except Refused as refusal:
            self._rejected.add(number, str(refusal), line)
            return None
        if asked is None:
            self.tally.passed_over += 1
        return asked

    def _check_time(self, moment: datetime) -> None:
        if moment > self._latest:
            raise Refused("The time of the line lies in the future.")
        if moment.date() < _OLDEST:
            raise Refused("The time of the line lies before 1995.")

    def _store(self, asked: list[Asked]) -> None:
        """Write a chunk; clicks whose owner is locked by somebody are tried again."""
        self._learn({one.tracking_id for one in asked})
        found = self._found(asked)
        self._make_months(asked)
        for left in range(_TRIES, 0, -1):
            if not (found := self._write(found, {one.number: one for one in asked}, left == 1)):
                return
            clock.sleep(_TRY_AGAIN_SECONDS)

    def _learn(self, tracking_ids: set[str]) -> None:
        if len(self._links) > _MOST_LINKS:
            self._links.clear()
        missing = tracking_ids - self._links.keys()
        if missing:
            with transaction() as tx:
                rows = {row.tracking_id: row for row in links.find(tx, missing)}
            self._links.update({one: rows.get(one) for one in missing})

    def _found(self, asked: list[Asked]) -> list[Found]:
        """Items of the lines whose campaign is known; a line's number is the item's position."""
        secret, arrived = settings().secret, now()
        found = []
        for one in asked:
            link = self._links[one.tracking_id]
            if link is None:
                reason = f"There is no campaign with the tracking id {one.tracking_id!r}."
                self._rejected.add(one.number, reason, one.line)
                continue
            repeat = self._repeats.count(one.line)
            found.append(Found("", one.number, item(one, link, repeat, secret, arrived)))
        return found

    def _make_months(self, asked: list[Asked]) -> None:
        """The months of a chunk's clicks; only a person's command may make old ones."""
        wanted = {(one.visit.time.year, one.visit.time.month) for one in asked}
        for year, month in sorted(wanted - self._months):
            with transaction() as tx:
                partitions.ensure_months(tx, date(year, month, 1), date(year, month, 1))
        self._months |= wanted

    def _write(self, found: list[Found], lines: dict[int, Asked], last_try: bool) -> list[Found]:
        """One transaction; returns what is to be tried again."""
        outcome = Outcome(Kind.CLICKS, is_news=False)
        with transaction() as tx:
            events.take_import_turn(tx)
            known = events.stored(tx, [one.item["id"] for one in found])
            fresh = [one for one in found if one.item["id"] not in known]
            write(tx, fresh, outcome)
        self.tally.already += len(known)
        self.tally.stored += outcome.stored
        self.tally.gone += outcome.gone
        waits = {one.position for one in outcome.held if one.state == "pending"}
        for one in outcome.held:
            if one.position not in waits or last_try:
                reason = f"The click could not be stored: {one.error or one.reason}."
                self._rejected.add(one.position, reason, lines[one.position].line)
        return [] if last_try else [one for one in fresh if one.position in waits]


def _chunks(log: LogFile) -> Iterator[list[bytes]]:
    """The lines in chunks; those before a damage are handed out before it is told."""
    chunk: list[bytes] = []
    try:
        for line in log.lines():
            chunk.append(line)
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
    except HopfleetError:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def run(log: LogFile, wanted: Wanted, rejected: Rejected, shown: Bar) -> Tally:
    """Import a log; raises one sentence that also says how far it came."""
    importer = Importer(wanted, rejected)
    try:
        importer.run(log, shown)
    except Transient as error:
        raise HopfleetError(
            f"{error} {importer.tally.stored:,} clicks are stored; run the same command again,"
            " nothing is counted twice."
        ) from error
    except KeyboardInterrupt:
        note(f"Interrupted with {importer.tally.stored:,} clicks stored; run it again to go on.")
        raise
    return importer.tally
