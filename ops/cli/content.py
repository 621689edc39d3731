"""`hopfleet content`: posts and mails, written now and published when they are due."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from base.errors import Misused
from db import content
from db.content import NewContent
from db.paging import Place, place
from ops.cli import lookup, output
from ops.cli.database import transaction
from ops.cli.entry import one_of, text
from ops.cli.workflow_start import object_of

STATUSES = ("draft", "scheduled", "published", "archived")
_MOST_BODY = 1_000_000
_SUFFIXES = (".md", ".txt", ".html", ".htm")

app = typer.Typer()


@app.command()
def add(
    user: Annotated[str, typer.Option(metavar="USER", help="The user's e-mail or id.")],
    type: Annotated[str, typer.Option(help="blog_post, email, social_post, ad_copy…")],
    body: Annotated[str, typer.Option(help="A file, - for standard input, or the text itself.")],
    title: Annotated[str | None, typer.Option(help="Shown to readers.")] = None,
    campaign: Annotated[str | None, typer.Option(help="For this campaign.")] = None,
    at: Annotated[
        str | None, typer.Option(help="Publish it then: 2026-05-01T12:00Z, else in UTC.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(help=f"{' | '.join(STATUSES)} [draft; scheduled with --at]")
    ] = None,
    metadata: Annotated[str | None, typer.Option(help="A JSON object.")] = None,
    json: output.Json = False,
) -> None:
    """Add content: a draft, published at once, or at a time."""
    kind = text(type, "--type", 50, least=1)
    heading = text(title, "--title", 500) or None
    moment = None if at is None else _moment(at)
    stands = _status(status, moment)
    written = _body(body)
    extra = None if metadata is None else object_of(metadata, "--metadata")
    with transaction() as tx:
        owner = lookup.user(tx, user)
        about = None
        if campaign is not None:
            about = lookup.campaign(tx, campaign)
            if about.user_id != owner.id:
                raise Misused(f"The campaign {campaign!r} is another user's.")
        made = content.add(
            tx,
            NewContent(
                owner.id, about and about.id, kind, heading, written, extra, stands, moment
            ),
        )  # fmt: skip
    if json:
        output.print_json({"id": made, "status": stands, "scheduled_for": moment})
        return
    output.say(str(made))
    if moment is not None:
        output.note(f"It is published on {moment:%Y-%m-%d %H:%M:%S} UTC.")


def _moment(typed: str) -> datetime:
    try:
        found = datetime.fromisoformat(typed.strip())
        aware = found if found.tzinfo else found.replace(tzinfo=UTC)
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Misused(
            f"--at {typed[:50]!r} is no time: try 2026-05-01T12:00Z or 2026-05-01T14:00+02:00."
        ) from None


def _status(typed: str | None, at: datetime | None) -> str:
    if typed is None:
        return "draft" if at is None else "scheduled"
    stands = one_of(typed, STATUSES, "--status")
    if (stands == "scheduled") != (at is not None):
        raise Misused("What is scheduled needs --at, and nothing else has one.")
    return stands


def _body(typed: str) -> str:
    try:
        if typed == "-":
            read = sys.stdin.buffer.read(_MOST_BODY + 1)
        elif typed and _is_file(typed):
            with Path(typed).open("rb") as opened:
                read = opened.read(_MOST_BODY + 1)
        else:
            read = typed.encode()
        written = read.decode()
    except OSError as error:
        raise Misused(f"{typed[:200]!r} cannot be read: {error.strerror}.") from None
    except UnicodeError:
        raise Misused("--body is no text in UTF-8.") from None
    if not written or len(read) > _MOST_BODY or "\0" in written:
        raise Misused(f"--body has 1 to {_MOST_BODY:,} bytes of text.")
    return written


def _is_file(typed: str) -> bool:
    """Whether a file is meant: it is there, or is called like one."""
    is_named = typed.endswith(_SUFFIXES) and not any(one.isspace() for one in typed)
    try:
        return is_named or Path(typed).exists()
    except (OSError, ValueError):
        return False  # too long for a name: a text


@app.command("list")
def list_(
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only this user's.")] = None,
    campaign: Annotated[str | None, typer.Option(help="Only of this campaign.")] = None,
    status: Annotated[str | None, typer.Option(help=" | ".join(STATUSES))] = None,
    limit: output.Limit = 50,
    after: output.After = None,
    json: output.Json = False,
) -> None:
    """Show content, newest first, with why it could not be published."""
    with transaction() as tx:
        rows = content.page(
            tx, limit + 1, place(after), status=status,
            user_id=lookup.user(tx, user).id if user else None,
            campaign_id=lookup.campaign(tx, campaign).id if campaign else None,
        )  # fmt: skip
    page = rows[:limit]
    more = str(Place(page[-1].created_at, page[-1].id)) if len(rows) > limit else None
    columns = ("title", "type", "status", "scheduled_for", "published_at", "error", "id")
    none = "No content: `hopfleet content add --user E --type blog_post --body FILE`."
    output.print_page(json, page, more, columns, none)


@app.command()
def show(
    which: Annotated[str, typer.Argument(metavar="CONTENT", help="Its id.")],
    json: output.Json = False,
) -> None:
    """Show one with its text, and how its publishing goes."""
    key = lookup.uuid(which.strip(), "content")
    with transaction() as tx:
        found = content.find(tx, key)
    if found is None:
        raise Misused(f"There is no content {which!r}: `hopfleet content list` shows it.")
    row, body, metadata = found
    if json:
        output.print_json({**row._asdict(), "metadata": metadata, "body": body})
        return
    fields = row._asdict() | {"refused": row.refused or None, "held": None}
    output.print_fields(fields)
    if row.held:
        output.say("It waits: its owner is suspended.")
    output.say("\n" + output.printable(body))
