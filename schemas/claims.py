"""A buyer's claim as it crosses the border: a receipt and an e-mail address, nothing else."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from base.errors import Refused
from schemas import bodies
from schemas.fields import UNWANTED

MOST_RECEIPT_CHARACTERS = 255
_MOST_EMAIL_CHARACTERS = 320

_UNWANTED = re.compile(UNWANTED)


class ClaimIn(NamedTuple):
    """What was claimed; the address as it was typed."""

    receipt: str
    email: str


def read(body: bytes) -> ClaimIn:
    """A claim in JSON; raises `Refused`."""
    given = bodies.value(body)
    if not isinstance(given, dict):
        raise Refused('Send {"receipt": "…", "email": "…"}, as JSON or as a form.')
    return shape(given)


def shape(given: Mapping[str, Any]) -> ClaimIn:
    """A claim in a set of parameters; raises `Refused`."""
    receipt, email = _text(given, "receipt"), _text(given, "email")
    if not receipt or len(receipt) > MOST_RECEIPT_CHARACTERS:
        raise Refused(f"The receipt must have 1 to {MOST_RECEIPT_CHARACTERS} characters.")
    if not email or len(email) > _MOST_EMAIL_CHARACTERS:
        raise Refused("The e-mail address is missing, or too long.")
    return ClaimIn(receipt, email)


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name, "")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**20:
        value = str(value)  # a receipt that is a number
    if not isinstance(value, str) or _UNWANTED.search(value.strip()):
        raise Refused(f"The {name} is no text, or holds characters that nobody can type.")
    return value.strip()
