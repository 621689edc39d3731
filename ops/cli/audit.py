"""`hopfleet audit`: whether everything that was acknowledged is a row, held, or waiting."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from base.clock import from_ms, now
from base.errors import Misused
from base.settings import settings
from ingest.telling import adopt
from ops.cli import output
from ops.cli.database import sentences
from rules.audit import Line, sums
from workers.maintenance.auditing import Report, audit_since

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_COLUMNS = (
    "door", "acked", "stored", "duplicate", "gone", "discarded", "dead", "deferred", "waiting",
    "elsewhere", "unanswered", "dropped", "missing", "surplus",
)  # fmt: skip

app = typer.Typer()

Since = Annotated[
    str, typer.Option(help="How far back: 30m, 24h, 7d, or a time such as 2026-11-22T09:00Z.")
]
Minutes = Annotated[bool, typer.Option("--minutes", help="A line for each minute, too.")]


@app.command()
def audit(since: Since = "1h", minutes: Minutes = False, json: output.Json = False) -> None:
    """Hold what doors acked, by minute and door, against what became of it.

    The minute that is still open is left out. Exit code 1 when something acked is missing.
    """
    beginning = moment(since)
    with sentences():
        adopt(settings().data_dir / "tallies")
        report = audit_since(beginning)
    if json:
        output.print_json(_facts(report))
    else:
        _show(report, minutes)
    if report.missing:
        raise typer.Exit(1)


def moment(text: str) -> datetime:
    """A time back from now such as `90m`, or an ISO 8601 time, UTC unless it says otherwise."""
    if found := re.fullmatch(r"([0-9]{1,6})([mhd])", text.strip()):
        return now() - timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        told = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Misused(
            f"{text!r} is no time: say 30m, 24h, 7d, or something like 2026-11-22T09:00Z."
        ) from None
    aware = told if told.tzinfo else told.replace(tzinfo=UTC)
    if aware > now():
        raise Misused(f"{text!r} lies ahead: an audit looks back.")
    return aware


def _facts(report: Report) -> dict[str, object]:
    return {
        "ok": not report.missing,
        "since": report.since,
        "until": report.until,
        "missing": report.missing,
        "surplus": report.surplus,
        "whole": report.whole,
        "doors": [_plain(line) for line in sums(report.lines)],
        "minutes": [
            {"minute": from_ms(line.minute * 60_000)} | _plain(line) for line in report.lines
        ],
        "spools_elsewhere": [one._asdict() for one in report.spools],
    }


def _plain(line: Line) -> dict[str, int | str]:
    return {name: getattr(line, name) for name in _COLUMNS}


def _show(report: Report, minutes: bool) -> None:
    shown = [name for name in _COLUMNS if _worth_showing(name, report)]
    span = f"{output.short(report.since)} to {output.short(report.until)} UTC"
    if not report.lines:
        output.note(f"Nothing came in from {span}.")
        return
    if minutes:
        rows = [
            (output.short(from_ms(line.minute * 60_000)), *(getattr(line, name) for name in shown))
            for line in report.lines
        ]
        output.print_table(("minute", *shown), rows)
    by_door = sums(report.lines)
    output.print_table(shown, ([getattr(line, name) for name in shown] for line in by_door))
    output.say(f"From {span}: {_verdict(report)}")


def _worth_showing(name: str, report: Report) -> bool:
    """The columns that always count, and those that are not all zero."""
    if name in ("door", "acked", "stored", "dead", "waiting", "missing"):
        return True
    return any(getattr(line, name) for line in report.lines)


def _verdict(report: Report) -> str:
    unseen = "" if report.whole else " More waits in the journal than an audit reads."
    spools = unseen + "".join(
        f" Up to {one.bytes:,} bytes wait in the spool at {one.place}, last seen"
        f" {output.short(one.seen_at)}: start a door there."
        for one in report.spools
    )
    if report.missing:
        return (
            f"{report.missing:,} acknowledged events are MISSING. Look for a journal that was"
            " restored, replaced or truncated, and for a spool folder that was lost." + spools
        )
    if report.surplus:
        return (
            f"nothing is missing; {report.surplus:,} more are there than doors have told of:"
            " counts of a host that is gone, or events stored by another way." + spools
        )
    return "balanced, everything acknowledged is accounted for." + spools
