"""Notices: mails to the owner of an account, each told once."""

import hashlib
import re
from uuid import UUID

from db import calls, notices
from db.calls import NewCall
from db.connection import Tx

MOST_SUBJECT = 200
MOST_REF = 255
# What would end a header, or make it unreadable; names of workflows are anything.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def tell(tx: Tx, user_id: UUID, kind: str, ref: str, subject: str, text: str) -> bool:
    """Owe a mail to the user's address, in this transaction; False when it was told before.

    `kind` and `ref` say what it is about: the same pair is told once. Who is suspended is told
    when that ends.
    """
    ref = ref[:MOST_REF]
    to = notices.email_of(tx, user_id)
    if to is None or not notices.note(tx, user_id, kind, ref):
        return False
    request = {"to": to, "subject": plain(subject)[:MOST_SUBJECT], "text": text, "html": None}
    key = hashlib.sha256(f"notice\0{user_id}\0{kind}\0{ref}".encode()).hexdigest()
    calls.owe(tx, NewCall("mail", "", user_id, None, None, key, request))
    return True


def plain(text: str) -> str:
    """A text on one line, as a subject or a sentence takes it."""
    return _UNPRINTABLE.sub(" ", text).strip()
