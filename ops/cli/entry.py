"""What people typed, checked before anything is done with it; raises `Misused`, one sentence."""

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import typer

from base.clock import now
from base.errors import Misused

# Not what the RFCs allow, but what mail systems deliver to; quoted local parts help nobody here.
_EMAIL = re.compile(
    r"[^\s@\"(),:;<>\[\]\\]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W_][\w-]{0,61}[^\W_]"
)
_MOST_PASSWORD_CHARACTERS = 1024
_TRACKING_ID = re.compile(r"[A-Za-z0-9_-]{1,50}")


def email(typed: str) -> str:
    """An e-mail address, in lower case: `Ada@Example.com` and `ada@example.com` are one user."""
    address = typed.strip().lower()
    if len(address) > 255 or ".." in address or not _EMAIL.fullmatch(address):
        raise Misused(f"{typed!r} is no e-mail address: it looks like ada@example.com.")
    return text(address, "--email", 255)


def text(typed: str | None, what: str, most: int, *, least: int = 0) -> str:
    """Printable text of bounded length, without blanks around it; None becomes empty."""
    given = (typed or "").strip()
    if not given.isprintable():
        raise Misused(f"{what} holds control characters or bytes that are no text.")
    if not least <= len(given) <= most:
        raise Misused(f"{what} must have {least} to {most} characters, it has {len(given)}.")
    return given


def one_of(typed: str, choices: Sequence[str], what: str) -> str:
    """One of the words there are."""
    if typed not in choices:
        raise Misused(f"{what} {typed!r} is none of {', '.join(choices)}.")
    return typed


def tracking_id(typed: str) -> str:
    """A tracking id of one's own choice: it stands in addresses, so nothing that needs escaping."""
    if not _TRACKING_ID.fullmatch(typed):
        raise Misused(
            "--tracking-id must be 1 to 50 letters (a-z, A-Z), digits, hyphens or underscores."
        )
    return typed


def password_from(*, stdin: bool) -> str:
    """A password, asked for twice without showing it, or the first line of standard input.

    Never an argument: the list of processes would show it.
    """
    if stdin:
        given = sys.stdin.readline().rstrip("\r\n")
    else:
        given = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    if not 8 <= len(given) <= _MOST_PASSWORD_CHARACTERS:
        raise Misused("The password must have at least 8 characters, and at most 1,024.")
    return given


_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def moment(typed: str, what: str) -> datetime:
    """A time: so long ago (`90s`, `15m`, `2h`, `3d`), a day, or a time in ISO 8601, else in UTC."""
    if ago := _AGO.fullmatch(typed.strip()):
        return now() - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
    try:
        found = datetime.fromisoformat(typed.strip())
    except ValueError:
        raise Misused(
            f"{what} {typed!r} is no time: try 2h, 3d, 2026-05-01 or 2026-05-01T12:00Z."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
