"""What commands are told of a bonus's file and mail, checked and ready for its row."""

import base64
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from base.errors import Misused, Refused
from base.sealing import seal
from base.settings import settings
from integrations.buckets import place_of
from integrations.smtp import server_of
from ops.cli.entry import text
from ops.cli.places import check_destination
from schemas.bonuses import BonusMetadata

_MOST_URL = 500
_MOST_FILE_BYTES = 64 * 1024

Subject = Annotated[str | None, typer.Option(help="The mail's; {{ bonus.name }} is filled in.")]
TextFile = Annotated[
    Path | None,
    typer.Option(help="File with the mail's text: {{ link }} {{ receipt }} {{ bonus.name }} …"),
]
HtmlFile = Annotated[Path | None, typer.Option(help="File with its HTML part, if it has one.")]
FromName = Annotated[str | None, typer.Option(help="Whom the mail is from.")]
FromEmail = Annotated[str | None, typer.Option(help="From which address.")]
ReplyTo = Annotated[str | None, typer.Option(help="Where answers go.")]
Smtp = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="A mail server of the user's own; - reads it from stdin, none removes it.",
    ),
]


def checked_file(url: str | None) -> str | None:
    """A file's address that buyers may be sent to; raises `Misused`."""
    if url is None:
        return None
    given = text(url, "--file-url", _MOST_URL, least=1)
    if not given.startswith("s3://"):
        return check_destination(given, "--file-url")
    try:
        place_of(given)
    except Refused as refusal:
        raise Misused(f"--file-url: {refusal}") from refusal
    return given


def chosen(
    subject: str | None, text_file: Path | None, html_file: Path | None, from_name: str | None,
    from_email: str | None, reply_to: str | None, smtp: str | None,
) -> dict[str, Any]:  # fmt: skip
    """The fields of the metadata that were named; None where one is to go."""
    given: dict[str, Any] = {
        "subject": subject, "from_name": from_name, "from_email": from_email,
        "reply_to": reply_to,
        "text": None if text_file is None else _read(text_file),
        "html": None if html_file is None else _read(html_file),
    }  # fmt: skip
    found = {name: value or None for name, value in given.items() if value is not None}
    if smtp is not None:
        found["smtp"] = None if smtp == "none" else _server(smtp)
    return found


def merged(metadata: Any, changes: dict[str, Any]) -> dict[str, Any]:
    """The metadata with these changes; what other applications keep there stays."""
    kept = dict(metadata) if isinstance(metadata, dict) else {}
    kept |= changes
    kept = {name: value for name, value in kept.items() if value is not None or name not in changes}
    try:
        BonusMetadata.model_validate({name: kept[name] for name in changes if name in kept})
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        option = str(fault["loc"][0]).replace("_", "-")
        raise Misused(f"--{option} does not fit: {fault['msg']}.") from None
    return kept


def without_secret(metadata: Any) -> Any:
    """The metadata as people are shown it."""
    if not isinstance(metadata, dict) or not isinstance(metadata.get("smtp"), dict):
        return metadata
    shown = {name: value for name, value in metadata["smtp"].items() if name != "sealed"}
    return {**metadata, "smtp": shown}


def _server(typed: str) -> dict[str, Any]:
    """A mail server's address in its parts, the password sealed."""
    url = sys.stdin.readline().strip() if typed == "-" else typed
    try:
        server = server_of(url)
    except Misused:
        raise Misused(
            "--smtp is no address of a mail server: it looks like"
            " smtp://user:password@mail.example.com:587?starttls=1, or smtps://…:465."
        ) from None
    if server.password is not None and typed != "-":
        raise Misused("A password does not belong on the command line: --smtp - reads it.")
    found: dict[str, Any] = {
        "host": server.host, "port": server.port, "security": server.security,
    }  # fmt: skip
    if server.user is not None:
        found["user"] = server.user
    if server.password is not None:
        sealed = seal(server.password.encode(), settings())
        found["sealed"] = base64.b64encode(sealed).decode()
    return found


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Misused(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > _MOST_FILE_BYTES:
        raise Misused(f"{path} is larger than {_MOST_FILE_BYTES} bytes.")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Misused(f"{path} is no UTF-8 text.") from error
