"""`hopfleet products syncs`: what the last runs found, changed and refused."""

from typing import Any

from base.errors import Misused
from db import product_syncs
from db.product_syncs import Row
from ops.cli import output
from ops.cli.database import transaction

_COLUMNS = ("sync", "began", "source", "state", "new", "changed", "same", "missing", "MB", "s")
_TOLD = (
    "source", "address", "is_forced", "asked_by", "state", "outcome", "reason", "stage", "refused",
    "feed_at", "started_at", "finished_at", "bytes", "listings", "seen", "inserted", "updated",
    "unchanged", "missing", "unasked", "skipped", "created_at",
)  # fmt: skip


def syncs(limit: output.Limit = 20, after: output.After = None, json: output.Json = False) -> None:
    """Show the last syncs, newest first: what they changed, or why they were refused."""
    before = _before(after)
    with transaction() as tx:
        rows = product_syncs.latest(tx, limit + 1, before)
    page = rows[:limit]
    more = str(page[-1]["id"]) if len(rows) > limit else None
    if json:
        output.print_json({"items": [_plain(row) for row in page], "next": more})
        return
    if not page:
        output.note("No sync has run: `hopfleet products sync` is the first.")
        return
    output.print_table(_COLUMNS, (_cells(row) for row in page))
    for row in page:
        if said := row["refused"] or (row["last_error"] if row["state"] == "dead" else None):
            output.say(f"{row['id']}: {output.printable(said)}")
    if more is not None:
        output.note(f"There are more: add --after {more}")


def _before(after: str | None) -> int | None:
    if after is None:
        return None
    if not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise Misused(f"{after[:80]!r} is no cursor: use the one the page before ended with.")
    return int(after)


def _plain(row: Row) -> dict[str, Any]:
    told = {"sync": str(row["id"])} | {name: row[name] for name in _TOLD}
    return told | {"done_share": row["done_share"], "seconds": _seconds(row)}


def _seconds(row: Row) -> float | None:
    if row["started_at"] is None or row["finished_at"] is None:
        return None
    seconds: float = (row["finished_at"] - row["started_at"]).total_seconds()
    return round(seconds, 3)


def _cells(row: Row) -> tuple[Any, ...]:
    return (
        row["id"],
        row["started_at"] or row["created_at"],
        row["source"],
        _state(row),
        *(row[name] for name in ("inserted", "updated", "unchanged", "missing")),
        None if row["bytes"] is None else f"{row['bytes'] / 1e6:,.1f}",
        _seconds(row),
    )


def _state(row: Row) -> str:
    if row["state"] == "running":
        share = "" if row["done_share"] is None else f" {row['done_share']:.0%}"
        return f"{row['stage']}{share}"
    if row["state"] == "pending":
        return "waits"
    word = row["outcome"] or row["state"]
    return f"{word}: {row['reason']}" if row["reason"] else str(word)
