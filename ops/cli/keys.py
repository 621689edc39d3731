"""`hopfleet keys`: API keys for `/v1/events` and, later, reports."""

from typing import Annotated

import typer

from base.errors import Misused
from db import keys
from db.paging import Place, place
from ops.cli import lookup, output
from ops.cli.database import transaction
from ops.cli.entry import one_of, text

SCOPES = ("events:write", "reports:read", "manage")

app = typer.Typer()


@app.command()
def add(
    user: Annotated[str, typer.Option(metavar="USER", help="The user's e-mail or id.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "cli",
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"{' | '.join(SCOPES)}; may be given several times [events:write]"),
    ] = None,
    json: output.Json = False,
) -> None:
    """Make a key and show it, once: only its hash is kept."""
    label = text(name, "--name", 255, least=1)
    scopes = [one_of(one, SCOPES, "--scope") for one in scope or [SCOPES[0]]]
    with transaction() as tx:
        owner = lookup.user(tx, user)
        key_id, key = keys.add(tx, owner.id, label, list(dict.fromkeys(scopes)))
    if json:
        output.print_json({"key": key})
        return
    output.say(key)
    output.note(
        f"Keep it: it is not shown again. It is a key of {owner.email} for {', '.join(scopes)};"
        f" revoke it with `hopfleet keys revoke {key_id}`."
    )


@app.command("list")
def list_(
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only this user's.")] = None,
    limit: output.Limit = 50,
    after: output.After = None,
    json: output.Json = False,
) -> None:
    """Show keys, newest first, revoked ones too; their texts are not kept."""
    with transaction() as tx:
        owner = lookup.user(tx, user).id if user else None
        rows = keys.list_(tx, owner, limit=limit + 1, after=place(after))
    page = rows[:limit]
    more = str(Place(page[-1].created_at, page[-1].id)) if len(rows) > limit else None
    columns = (
        *("id", "user_id", "name", "prefix", "scopes"),
        *("created_at", "last_used_at", "revoked_at"),
    )
    output.print_page(json, page, more, columns, "No keys yet: `hopfleet keys add --user E`.")


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="As `keys list` shows it.")],
    json: output.Json = False,
) -> None:
    """Refuse a key from now on, within two seconds at every door."""
    key = lookup.uuid(key_id, "key")
    with transaction() as tx:
        revoked = keys.revoke(tx, key)
    if not revoked:
        raise Misused(f"There is no valid key {key}: `hopfleet keys list` shows them.")
    if json:
        output.print_json({"id": key, "revoked": True})
    else:
        output.say(f"Revoked {key}.")
