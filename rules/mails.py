"""Mails: from a bonus's template and a delivery's values to the bytes that a server is given."""

import re
from collections.abc import Mapping
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import NamedTuple

from base.errors import Refused
from rules.templates import render
from schemas.bonuses import BonusMetadata

MOST_SUBJECT_CHARACTERS = 250

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_CONTROL_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Mail(NamedTuple):
    """What a server is told of a mail, and the mail."""

    sender: str
    recipient: str
    message: bytes


class Letter(NamedTuple):
    """A mail's words."""

    subject: str
    text: str
    html: str | None = None
    from_name: str | None = None
    reply_to: str | None = None


def one_line(text: str) -> str:
    """Text that fits into a header: a name with a line's end in it must not make another one."""
    return _CONTROL.sub(" ", text).strip()


def compose(
    template: BonusMetadata,
    values: Mapping[str, str],
    sender: str,
    recipient: str,
    message_id: str,
    at: datetime,
) -> Mail:
    """The mail for one buyer; raises `Refused` when its template cannot become one.

    `sender` and `recipient` are addresses as `rules.emails.address` gives them; a template's own
    `from_email` goes before `sender`. `message_id` is what stands between the brackets.
    """
    sender = template.from_email or sender
    letter = Letter(
        render(template.subject, values),
        render(template.text, values),
        render(template.html, values, escape=True) if template.html else None,
        template.from_name,
        template.reply_to,
    )
    return write(letter, sender, recipient, message_id, at)


def write(letter: Letter, sender: str, recipient: str, message_id: str, at: datetime) -> Mail:
    """A mail with these words, whatever they hold; raises `Refused` when they cannot become one."""
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = Address(one_line(letter.from_name or ""), addr_spec=sender)
        message["To"] = Address("", addr_spec=recipient)
        if letter.reply_to:
            message["Reply-To"] = Address("", addr_spec=letter.reply_to)
        message["Subject"] = one_line(letter.subject)[:MOST_SUBJECT_CHARACTERS]
        message["Date"] = format_datetime(at)
        message["Message-ID"] = f"<{message_id}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes, please
        message.set_content(_body(letter.text), cte="quoted-printable")
        if letter.html:
            page = _body(letter.html)
            message.add_alternative(page, subtype="html", cte="quoted-printable")
        return Mail(sender, recipient, message.as_bytes())
    except (ValueError, UnicodeError, IndexError) as error:
        raise Refused(f"The mail cannot be written: {error}.") from error


def _body(text: str) -> str:
    return _CONTROL_IN_TEXT.sub("", text)
