"""`hopfleet dead`: what could not be done, each with its reason and its address."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

import orjson
import typer

from base.errors import Misused
from db import letters
from db.connection import Tx
from db.letters import GROUPS, Letter
from ops.cli import dead_edit, output
from ops.cli import letters as chosen
from ops.cli.database import transaction
from ops.cli.letters import Address, Asked, Chunk, address
from ops.cli.progress import bar

_PAGE = 1_000

app = typer.Typer()
app.command("edit")(dead_edit.edit)


class DeadLetter(NamedTuple):
    """A dead letter as people are shown it."""

    address: str
    kind: str
    reason: str | None
    error: str | None
    user_id: UUID | None
    campaign_id: UUID | None
    attempts: int
    created_at: datetime


@app.command("list")
def list_(
    noun: chosen.Noun = None,
    kind: chosen.Kind = None,
    reason: chosen.Reason = None,
    user: chosen.User = None,
    campaign: chosen.Campaign = None,
    since: chosen.Since = None,
    to: chosen.To = None,
    error: chosen.Error = None,
    by: Annotated[
        str | None, typer.Option(help=f"Count them by one of {', '.join(GROUPS)} instead.")
    ] = None,
    limit: output.Limit = 50,
    after: output.After = None,
    json: output.Json = False,
) -> None:
    """Show dead letters, newest first, or how many there are of what."""
    asked = Asked(noun, kind, reason, user, campaign, since, to, error)
    if by is not None:
        _summary(asked, by, json)
        return
    with transaction() as tx:
        page = list(_page(tx, asked, limit + 1, None if after is None else address(after)))
    more = page[limit - 1].address if len(page) > limit else None
    columns = ("address", "kind", "reason", "error", "attempts", "created_at")
    output.print_page(json, page[:limit], more, columns, "No dead letters.")


def _page(tx: Tx, asked: Asked, limit: int, after: Address | None) -> Iterator[DeadLetter]:
    which, nouns = asked.which(tx), asked.nouns()
    if after is not None:
        nouns = nouns[nouns.index(after.noun) :] if after.noun in nouns else []
    for noun in nouns:
        before = after.id if after is not None and after.noun == noun else None
        for row in letters.page(tx, noun, which, limit, before):
            yield _letter(noun, row)
            limit -= 1


def _letter(noun: str, row: Letter) -> DeadLetter:
    return DeadLetter(str(Address(noun, row.id)), *row[1:])


def _summary(asked: Asked, by: str, json: bool) -> None:
    if by not in GROUPS:
        raise Misused(f"--by {by!r} is none of {', '.join(GROUPS)}.")
    with transaction() as tx:
        which = asked.which(tx)
        found = [
            {"noun": noun, by: one.value, **one._asdict(), "count": one.letters}
            for noun in asked.nouns()
            for one in letters.summary(tx, noun, which, by)
        ]
    columns = ("noun", by, "count", "oldest_at", "newest_at")
    rows = [{name: one[name] for name in columns} for one in found]
    if json:
        output.print_json({"items": rows})
    elif rows:
        output.print_table(columns, (list(row.values()) for row in rows))
    else:
        output.note("No dead letters.")


@app.command()
def show(
    which: Annotated[str, typer.Argument(metavar="NOUN:ID")], json: output.Json = False
) -> None:
    """Show everything about one, with what it holds."""
    one = address(which)
    with transaction() as tx:
        row = letters.show(tx, one.noun, one.id)
    if row is None:
        raise chosen.none(one)
    row |= {"id": str(one.id), "address": str(one)}
    if (body := row.pop("body", None)) is not None:
        row["body_bytes"] = len(body)
        if not json:
            row["body"] = f"`hopfleet webhooks show {one.id} --body` prints it"
    if (request := row.pop("request", None)) is not None:
        row["request_bytes"] = len(request)  # sealed: it holds addresses and secrets
    held = {
        name: dead_edit.readable(body)
        for name in ("item", "original")
        if (body := row.pop(name, None)) is not None
    }
    if json:
        output.print_json(row | held)
        return
    output.print_fields(row)
    for name, value in held.items():
        output.say(f"\n{name}: " + orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


@app.command()
def replay(
    addresses: chosen.Addresses = None,
    everything: chosen.All = False,
    noun: chosen.Noun = None,
    kind: chosen.Kind = None,
    reason: chosen.Reason = None,
    user: chosen.User = None,
    campaign: chosen.Campaign = None,
    since: chosen.Since = None,
    to: chosen.To = None,
    error: chosen.Error = None,
    limit: chosen.Most = None,
    dry_run: chosen.DryRun = False,
    yes: output.Yes = False,
    json: output.Json = False,
) -> None:
    """Try dead letters again, within a second or two; those that fail again come back here."""
    asked = Asked(noun, kind, reason, user, campaign, since, to, error)
    told = _Told("Replay", "Replayed", "replayed", letters.replay)
    _do(told, addresses, everything, asked, limit, dry_run=dry_run, yes=yes, json=json)


@app.command()
def drop(
    addresses: chosen.Addresses = None,
    everything: chosen.All = False,
    noun: chosen.Noun = None,
    kind: chosen.Kind = None,
    reason: chosen.Reason = None,
    user: chosen.User = None,
    campaign: chosen.Campaign = None,
    since: chosen.Since = None,
    to: chosen.To = None,
    error: chosen.Error = None,
    limit: chosen.Most = None,
    dry_run: chosen.DryRun = False,
    yes: output.Yes = False,
    json: output.Json = False,
) -> None:
    """Throw dead letters away for good."""
    asked = Asked(noun, kind, reason, user, campaign, since, to, error)
    told = _Told("Throw away, for good,", "Dropped", "dropped", letters.drop)
    _do(told, addresses, everything, asked, limit, dry_run=dry_run, yes=yes, json=json)


class _Told(NamedTuple):
    """What is done to letters, and how people are told of it."""

    asks: str
    did: str
    name: str
    do: Callable[[Tx, str, list[int]], int]


def _do(
    told: _Told, addresses: list[str] | None, everything: bool, asked: Asked, limit: int | None,
    *, dry_run: bool, yes: bool, json: bool,
) -> None:  # fmt: skip
    if bool(addresses) == (everything or asked != Asked()):
        raise Misused("Name the dead letters as NOUN:ID, or which by options, or --all of them.")
    if addresses:
        chunks = chosen.named(addresses)
        count = sum(len(chunk.ids) for chunk in chunks)
    else:
        with transaction() as tx:
            count = chosen.counted(tx, asked, limit)
    if dry_run:
        _say(count, f"{told.did} would be", "matching", json)
        return
    if not addresses or told.do is letters.drop:
        output.confirm(f"{told.asks} {_letters(count)}?", yes=yes)
    with bar(told.did, count, "") as shown:
        done = _named(told, chunks) if addresses else _bulk(told, asked, count, shown.advance)
    _say(done, told.did, told.name, json)


def _named(told: _Told, chunks: list[Chunk]) -> int:
    """All that were named, or none: whoever names a letter wants to hear that it is not there."""
    done = 0
    with transaction() as tx:
        for noun, ids in chunks:
            for one in ids:
                if not told.do(tx, noun, [one]):
                    raise chosen.none(Address(noun, one))
                done += 1
    return done


def _bulk(told: _Told, asked: Asked, most: int, advance: Callable[[int], None]) -> int:
    """Page by page, the newest first, so that one that dies anew meanwhile is not met again."""
    done = 0
    with transaction() as tx:
        which = asked.which(tx)
    for noun in asked.nouns():
        before = None
        while done < most:
            with transaction() as tx:
                page = letters.page(tx, noun, which, min(_PAGE, most - done), before)
                done += (now := told.do(tx, noun, [row.id for row in page]))
            advance(now)
            if not page:
                break
            before = page[-1].id
    return done


def _letters(count: int) -> str:
    return f"{count:,} dead letter{'' if count == 1 else 's'}"


def _say(count: int, did: str, name: str, json: bool) -> None:
    if json:
        output.print_json({name: count})
    else:
        output.say(f"{did} {_letters(count)}.")
