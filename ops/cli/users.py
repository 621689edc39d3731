"""`hopfleet users`: accounts, added, listed, changed, deleted."""

from typing import Annotated, Any

import typer

from base.errors import Misused
from db import accounts, users
from db.paging import Place, place
from ops.cli import lookup, output, places, removal
from ops.cli.database import transaction
from ops.cli.entry import email as checked_email
from ops.cli.entry import one_of, password_from, text

TIERS = ("starter", "professional", "agency")
STATUSES = ("trial", "active", "suspended", "canceled")

app = typer.Typer()

Email = Annotated[str, typer.Option(help="What the user is known by.")]
Who = Annotated[str, typer.Argument(metavar="USER", help="The user's e-mail or id.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read a password from standard input.")
]
_TIER = typer.Option(help=" | ".join(TIERS))
_STATUS = typer.Option(help=" | ".join(STATUSES))


@app.command()
def add(
    email: Email,
    full_name: Annotated[str | None, typer.Option(help="Shown to people.")] = None,
    tier: Annotated[str, _TIER] = "starter",
    status: Annotated[str, _STATUS] = "active",
    password_stdin: PasswordStdin = False,
    json: output.Json = False,
) -> None:
    """Add a user; without a password nobody can log in as this user."""
    address = checked_email(email)
    name = text(full_name, "--full-name", 255)
    one_of(tier, TIERS, "--tier")
    one_of(status, STATUSES, "--status")
    password = password_from(stdin=password_stdin) if password_stdin else None
    with transaction() as tx:
        if users.find(tx, address):  # before the password is hashed, which takes a while
            raise Misused(f"A user with the e-mail {address} exists already.")
        row = users.add(tx, address, full_name=name, password=password, tier=tier, status=status)
    if json:
        output.print_json({"id": row.id, "email": row.email})
        return
    output.say(f"Added {row.email} ({row.id}).")
    output.note(f"Next: hopfleet campaigns add --user {row.email} --name NAME --link URL")


@app.command("list")
def list_(limit: output.Limit = 50, after: output.After = None, json: output.Json = False) -> None:
    """Show users, newest first."""
    with transaction() as tx:
        rows = users.page(tx, limit + 1, place(after))
    page = rows[:limit]
    more = str(Place(page[-1].created_at, page[-1].id)) if len(rows) > limit else None
    columns = ("id", "email", "full_name", "tier", "status", "created_at")
    output.print_page(json, page, more, columns, "No users yet: `hopfleet users add --email E`.")


@app.command("set")
def set_(
    user: Who,
    email: Annotated[str | None, typer.Option(help="A new e-mail.")] = None,
    full_name: Annotated[str | None, typer.Option(help="A new name; empty for none.")] = None,
    tier: Annotated[str | None, _TIER] = None,
    status: Annotated[str | None, _STATUS] = None,
    fallback_url: Annotated[
        str | None,
        typer.Option(help="Where links that lead nowhere go; empty for the installation's."),
    ] = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a new password.")] = False,
    password_stdin: PasswordStdin = False,
    json: output.Json = False,
) -> None:
    """Change what is named; everything else stays as it is."""
    fields: dict[str, Any] = {}
    if email is not None:
        fields["email"] = checked_email(email)
    if full_name is not None:
        fields["full_name"] = text(full_name, "--full-name", 255) or None
    if tier is not None:
        fields["tier"] = one_of(tier, TIERS, "--tier")
    if status is not None:
        fields["status"] = one_of(status, STATUSES, "--status")
    if fallback_url:
        places.check_destination(fallback_url, "--fallback-url")
    new = password_from(stdin=password_stdin) if password or password_stdin else None
    if not fields and fallback_url is None and new is None:
        raise Misused("Nothing to set: name at least one option, `--help` lists them.")
    with transaction() as tx:
        row = lookup.user(tx, user)
        if fields:
            row = users.set_fields(tx, row.id, fields) or row
        if new is not None:
            users.set_password(tx, row.id, new)
        if fallback_url is not None:
            accounts.set_fallback(tx, row.id, fallback_url or None)
        fallback = accounts.fallback(tx, row.id)
    shown = {**row._asdict(), "fallback_url": fallback}
    if json:
        output.print_json(shown)
    else:
        output.print_fields(shown)


@app.command()
def delete(
    user: Annotated[list[str], typer.Argument(metavar="USER", help="E-mails or ids.")],
    yes: output.Yes = False,
    json: output.Json = False,
) -> None:
    """Delete users with all they own: campaigns, events, keys. Links stop at once."""
    with transaction() as tx:
        rows = {row.id: row for row in (lookup.user(tx, who) for who in user)}
    names = ", ".join(row.email for row in rows.values())
    output.confirm(f"Delete {names} with all campaigns, events and keys, for good?", yes=yes)
    doomed = [removal.Doomed("user", row.id, row.email) for row in rows.values()]
    removal.remove(doomed, json=json)
