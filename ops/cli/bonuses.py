"""`hopfleet bonuses`: what a campaign's buyers are given, and how it reaches them."""

from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

import typer

from base.errors import Misused
from base.settings import settings
from db import bonuses
from db.bonuses import BonusRow
from db.connection import Tx
from db.paging import Place, place
from ops.cli import bonus_mail as told
from ops.cli import lookup, output
from ops.cli.database import transaction
from ops.cli.entry import one_of, text

METHODS = ("email", "download")

app = typer.Typer()

Which = Annotated[str, typer.Argument(metavar="BONUS", help="The bonus's id.")]
FileUrl = Annotated[
    str | None, typer.Option(help="Where its file is: https://… or s3://bucket/file.")
]
Method = Annotated[str, typer.Option(help=" | ".join(METHODS))]
Description = Annotated[str | None, typer.Option(help="Shown to buyers, too.")]


@app.command()
def add(
    campaign: Annotated[str, typer.Option(metavar="CAMPAIGN", help="Its tracking id or id.")],
    name: Annotated[str, typer.Option(help="Shown to buyers.")],
    file_url: FileUrl = None,
    method: Method = "email",
    description: Description = None,
    inactive: Annotated[bool, typer.Option("--inactive", help="Owe it to nobody yet.")] = False,
    subject: told.Subject = None,
    text_file: told.TextFile = None,
    html_file: told.HtmlFile = None,
    from_name: told.FromName = None,
    from_email: told.FromEmail = None,
    reply_to: told.ReplyTo = None,
    smtp: told.Smtp = None,
    json: output.Json = False,
) -> None:
    """Add a bonus: from now on each sale of its campaign owes it to the buyer."""
    title = text(name, "--name", 255, least=1)
    way = one_of(method, METHODS, "--method")
    where = told.checked_file(file_url)
    if way == "download" and where is None:
        raise Misused("A download needs its file: name it with --file-url.")
    about = text(description, "--description", 10_000) or None
    changes = told.chosen(
        subject, text_file, html_file, from_name, from_email, reply_to, smtp
    )  # fmt: skip
    metadata = told.merged(None, changes)
    with transaction() as tx:
        row = lookup.campaign(tx, campaign)
        made = bonuses.add(
            tx, row.id, title, way, where, about, metadata or None, active=not inactive
        )
    if json:
        output.print_json({"id": made})
        return
    output.say(str(made))
    if row.tracking_id:
        claims = f"{settings().url}/b/claim/{quote(row.tracking_id, safe='')}"
        output.note(f"Buyers whose address no network tells ask for it at {claims}")
    if way == "email" and settings().smtp is None and "smtp" not in metadata:
        output.note("No mail server is set: HOPFLEET_SMTP_URL=smtp://user:password@host:587")


@app.command("list")
def list_(
    campaign: Annotated[
        str | None, typer.Option(metavar="CAMPAIGN", help="Only this campaign's.")
    ] = None,
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only this user's.")] = None,
    limit: output.Limit = 50,
    after: output.After = None,
    json: output.Json = False,
) -> None:
    """Show bonuses, newest first."""
    with transaction() as tx:
        of = lookup.campaign(tx, campaign).id if campaign else None
        owner = lookup.user(tx, user).id if user else None
        found = bonuses.page(tx, of, owner, limit + 1, place(after))
    page = [_shown(row) for row in found[:limit]]
    more = str(Place(page[-1].created_at, page[-1].id)) if len(found) > limit else None
    columns = (
        "name", "tracking_id", "delivery_method", "is_active", "delivered_count",
        "last_delivered_at", "id",
    )  # fmt: skip
    none = "No bonuses: `hopfleet bonuses add --campaign T --name N --file-url U`."
    output.print_page(json, page, more, columns, none)


@app.command("set")
def set_(
    bonus: Which,
    name: Annotated[str | None, typer.Option(help="Shown to buyers.")] = None,
    file_url: FileUrl = None,
    method: Annotated[str | None, typer.Option(help=" | ".join(METHODS))] = None,
    description: Description = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Whether new sales owe it.")
    ] = None,
    subject: told.Subject = None,
    text_file: told.TextFile = None,
    html_file: told.HtmlFile = None,
    from_name: told.FromName = None,
    from_email: told.FromEmail = None,
    reply_to: told.ReplyTo = None,
    smtp: told.Smtp = None,
    json: output.Json = False,
) -> None:
    """Change what is named, also for deliveries that are still to be made."""
    given: dict[str, Any] = {
        "name": None if name is None else text(name, "--name", 255, least=1),
        "file_url": told.checked_file(file_url),
        "delivery_method": None if method is None else one_of(method, METHODS, "--method"),
        "description": None if description is None else text(description, "--description", 10_000),
        "is_active": active,
    }
    fields = {column: value for column, value in given.items() if value is not None}
    changes = told.chosen(
        subject, text_file, html_file, from_name, from_email, reply_to, smtp
    )  # fmt: skip
    if not fields and not changes:
        raise Misused("Nothing to set: name at least one option, `--help` lists them.")
    with transaction() as tx:
        row = _find(tx, bonus)
        if changes:
            fields["metadata"] = told.merged(row.metadata, changes)
        row = bonuses.set_fields(tx, row.id, fields) or row
    shown = _shown(row)._asdict()
    if json:
        output.print_json(shown)
        return
    metadata = shown.pop("metadata")
    output.print_fields(shown | (metadata if isinstance(metadata, dict) else {}))


def _find(tx: Tx, which: str) -> BonusRow:
    key: UUID = lookup.uuid(which.strip(), "bonus")
    found = bonuses.find(tx, key)
    if found is None:
        raise Misused(f"There is no bonus {which!r}: `hopfleet bonuses list` shows them.")
    return found


def _shown(row: BonusRow) -> BonusRow:
    """Without the mail server's password, sealed as it is."""
    return row._replace(metadata=told.without_secret(row.metadata))
