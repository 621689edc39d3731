"""`hopfleet webhooks`: what networks and Stripe have sent, and what became of it."""

import re
from typing import Annotated

import typer

from base.errors import Misused
from db import webhooks
from db.connection import Tx
from db.webhooks import Which
from ops.cli import entry, lookup, output
from ops.cli.database import transaction

STATES = ("pending", "running", "done", "dead")
_ID = re.compile(r"(?:webhook:)?([0-9]{1,18})")
_CHUNK = 1_000
_COLUMNS = (
    "id", "source", "type", "receipt", "state", "outcome", "reason", "occurred_at", "created_at",
)  # fmt: skip

app = typer.Typer()

Source = Annotated[str | None, typer.Option(help="Only from there: clickbank, stripe.")]
Type = Annotated[
    str | None, typer.Option("--type", help="Only of this type, as the sender calls it.")
]
Reason = Annotated[str | None, typer.Option(help="Only those that died of this.")]
User = Annotated[str | None, typer.Option(metavar="USER", help="Only this user's.")]
Since = Annotated[str | None, typer.Option(help="Only from then on: 2h, 3d, 2026-05-01T12:00Z.")]
To = Annotated[str | None, typer.Option("--to", help="Only before then.")]


@app.command("list")
def list_(
    source: Source = None,
    state: Annotated[str | None, typer.Option(help=" | ".join(STATES))] = None,
    type_: Type = None,
    outcome: Annotated[
        str | None, typer.Option(help="Only those that ended so, such as recorded or test.")
    ] = None,
    reason: Reason = None,
    receipt: Annotated[str | None, typer.Option(help="Only of this receipt.")] = None,
    user: User = None,
    since: Since = None,
    to: To = None,
    limit: output.Limit = 50,
    after: output.After = None,
    json: output.Json = False,
) -> None:
    """Show messages, newest first, with what became of each."""
    if state is not None:
        entry.one_of(state, STATES, "--state")
    with transaction() as tx:
        which = _which(tx, source, type_, reason, user, since, to)
        which = which._replace(state=state, outcome=outcome, receipt=receipt)
        rows = webhooks.page(tx, which, limit + 1, None if after is None else _id(after))
    page = rows[:limit]
    more = page[-1].id if len(rows) > limit else None
    output.print_page(json, page, more, _COLUMNS, "No webhooks.")


@app.command()
def show(
    which: Annotated[str, typer.Argument(metavar="ID")],
    body: Annotated[
        bool, typer.Option("--body", help="Print the message itself, byte by byte as it came.")
    ] = False,
    json: output.Json = False,
) -> None:
    """Show one message and what became of it; its body stays as it came, encrypted or not."""
    with transaction() as tx:
        row = webhooks.show(tx, _id(which))
    if row is None:
        raise Misused(f"There is no webhook {which}: `hopfleet webhooks list` shows them.")
    wire = bytes(row.pop("body"))
    if body and not json:
        output.print_bytes(wire)
        return
    row |= {"id": str(row["id"]), "body_bytes": len(wire)}
    if body:
        row["body"] = wire
    if json:
        output.print_json(row)
        return
    output.print_fields(row)
    if row["state"] == "dead":
        output.note(f"`hopfleet webhooks replay {row['id']}` tries it again.")


@app.command()
def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="One or more.")] = None,
    dead: Annotated[
        bool, typer.Option("--dead", help="All dead ones that the other options let through.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also those named that are done already.")
    ] = False,
    source: Source = None,
    type_: Type = None,
    reason: Reason = None,
    user: User = None,
    since: Since = None,
    to: To = None,
    yes: output.Yes = False,
    json: output.Json = False,
) -> None:
    """Have messages handled again, within a second or two; nothing is ever counted twice."""
    if bool(ids) == dead:
        raise Misused("Name messages by their ids, or say --dead for all dead ones; not both.")
    if ids:
        if any((source, type_, reason, user, since, to)):
            raise Misused("Options that choose messages go with --dead, not with ids.")
        count = _replay_named([_id(one) for one in ids], again=again)
    else:
        if again:
            raise Misused("--again goes with ids: `hopfleet webhooks list` shows them.")
        with transaction() as tx:
            which = _which(tx, source, type_, reason, user, since, to)._replace(state="dead")
            found = webhooks.count(tx, which)
        output.confirm(f"Replay {found:,} webhooks?", yes=yes or not found)
        count = _replay_dead(which)
    if json:
        output.print_json({"replayed": count})
    else:
        output.say(f"Replayed {count:,} webhook{'' if count == 1 else 's'}.")


def _replay_named(ids: list[int], *, again: bool) -> int:
    """All of them or none; raises `Misused` when one cannot be."""
    wanted = sorted(set(ids))
    with transaction() as tx:
        if (count := webhooks.replay(tx, wanted, again=again)) != len(wanted):
            tx.rollback()
            raise Misused(
                f"Only {count} of {len(wanted)} can be replayed: the others are not there, not"
                " over yet, or done, for which there is --again. Nothing was changed."
            )
    return count


def _replay_dead(which: Which) -> int:
    """Downwards from the newest, a transaction a chunk: one that dies anew is not met again."""
    count = 0
    before: int | None = None
    while True:
        with transaction() as tx:
            ids = [int(row.id) for row in webhooks.page(tx, which, _CHUNK, before)]
            count += webhooks.replay(tx, ids)
        if len(ids) < _CHUNK:
            return count
        before = ids[-1]


def _which(
    tx: Tx,
    source: str | None,
    type_: str | None,
    reason: str | None,
    user: str | None,
    since: str | None,
    to: str | None,
) -> Which:
    return Which(
        source=source,
        type=type_,
        reason=reason,
        user=lookup.user(tx, user).id if user else None,
        since=entry.moment(since, "--since") if since else None,
        until=entry.moment(to, "--to") if to else None,
    )


def _id(typed: str) -> int:
    """An id as it was typed, with or without its noun."""
    if (found := _ID.fullmatch(typed.strip())) is None:
        raise Misused(f"{typed!r} is no id of a webhook: it is a number, `list` shows it.")
    return int(found[1])
