"""`hopfleet dead`: events that could not be stored, each with its reason and its address."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import orjson
import typer

from base.errors import Misused
from db import held
from db.held import DeadRow
from ops.cli import output
from ops.cli.database import transaction

_NOUN = "event"
_ADDRESS = re.compile(r"event:([0-9]{1,18})")
_PAGE = 1_000

app = typer.Typer()

Addresses = Annotated[
    list[str] | None, typer.Argument(metavar="event:ID", help="As `dead list` shows them.")
]
All = Annotated[bool, typer.Option("--all", help="All there are, or all with that --reason.")]
Reason = Annotated[str | None, typer.Option(help="Only those that died of this.")]


class DeadLetter(NamedTuple):
    """A dead letter as people are shown it."""

    address: str
    kind: str
    reason: str | None
    error: str | None
    user_id: UUID | None
    attempts: int
    created_at: Any


@app.command("list")
def list_(
    reason: Reason = None,
    limit: output.Limit = 50,
    after: output.After = None,
    json: output.Json = False,
) -> None:
    """Show dead letters, newest first."""
    before = None if after is None else _id(after)
    page: list[DeadLetter] = []
    more = None
    for row in _rows(reason, before):
        if len(page) == limit:
            more = page[-1].address
            break
        page.append(_letter(row))
    columns = ("address", "kind", "reason", "error", "attempts", "created_at")
    output.print_page(json, page, more, columns, "No dead letters.")


@app.command()
def show(
    address: Annotated[str, typer.Argument(metavar="event:ID")], json: output.Json = False
) -> None:
    """Show everything about one, with what it holds."""
    row_id = _id(address)
    with transaction() as tx:
        row = held.show(tx, row_id)
    if row is None or row["state"] != "dead":
        raise Misused(_none(row_id))
    row |= {"id": str(row_id), "address": f"{_NOUN}:{row_id}", "item": _item(row["item"])}
    if json:
        output.print_json(row)
        return
    item = row.pop("item")
    output.print_fields(row)
    output.say("\n" + orjson.dumps(item, option=orjson.OPT_INDENT_2).decode())


@app.command()
def replay(
    addresses: Addresses = None,
    everything: All = False,
    reason: Reason = None,
    json: output.Json = False,
) -> None:
    """Try dead letters again, within a second or two; those that fail again come back here."""
    done = 0
    for chosen in _chosen(addresses, everything, reason):
        with transaction() as tx:
            done += sum(_required(held.replay(tx, one), one, addresses) for one in chosen)
    _say(done, "Replayed", "replayed", json)


@app.command()
def drop(
    addresses: Addresses = None,
    everything: All = False,
    reason: Reason = None,
    yes: output.Yes = False,
    json: output.Json = False,
) -> None:
    """Throw dead letters away for good."""
    which = ", ".join(addresses or []) or f"all dead letters{f' of {reason}' if reason else ''}"
    batches = _chosen(addresses, everything, reason)
    output.confirm(f"Throw {which} away, for good?", yes=yes)
    done = 0
    for chosen in batches:
        with transaction() as tx:
            done += sum(_required(held.drop(tx, one), one, addresses) for one in chosen)
    _say(done, "Dropped", "dropped", json)


def _chosen(
    addresses: list[str] | None, everything: bool, reason: str | None
) -> Iterator[list[int]]:
    """Ids in chunks; raises `Misused` before anything is done."""
    if bool(addresses) == (everything or reason is not None):
        raise Misused("Name the dead letters as event:ID, or all of them with --all.")
    if addresses:
        return iter([list(dict.fromkeys(map(_id, addresses)))])
    return _chunks(reason)


def _chunks(reason: str | None) -> Iterator[list[int]]:
    chunk: list[int] = []
    for row in _rows(reason):
        chunk.append(row.id)
        if len(chunk) == _PAGE:
            yield chunk
            chunk = []
    yield chunk


def _rows(reason: str | None, before: int | None = None) -> Iterator[DeadRow]:
    """Dead letters below an id, newest first, read page by page."""
    while True:
        with transaction() as tx:
            rows = held.dead(tx, _PAGE, before)
        yield from (row for row in rows if reason is None or row.reason == reason)
        if len(rows) < _PAGE:
            return
        before = rows[-1].id


def _required(done: bool, row_id: int, addresses: list[str] | None) -> bool:
    """Whoever names a letter wants to hear that it is not there; nothing is done then."""
    if not done and addresses:
        raise Misused(_none(row_id))
    return done


def _id(address: str) -> int:
    found = _ADDRESS.fullmatch(address.strip())
    if found is None:
        raise Misused(f"{address!r} is no address of a dead letter: it looks like event:123.")
    return int(found[1])


def _none(row_id: int) -> str:
    return f"There is no dead letter event:{row_id}: `hopfleet dead list` shows them."


def _letter(row: DeadRow) -> DeadLetter:
    return DeadLetter(
        f"{_NOUN}:{row.id}",
        row.kind,
        row.reason,
        row.last_error,
        row.user_id,
        row.attempts,
        row.created_at,
    )


def _item(body: bytes) -> Any:
    """What a held event holds, as JSON where it is JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return bytes(body).decode("utf-8", "backslashreplace")


def _say(done: int, told: str, name: str, json: bool) -> None:
    if json:
        output.print_json({name: done})
    else:
        output.say(f"{told} {done:,} dead letter{'' if done == 1 else 's'}.")
