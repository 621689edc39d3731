"""Hoplinks: ClickBank's addresses that credit an affiliate with a seller's sales."""

import re

from base.errors import Misused

_NICKNAME = re.compile("[a-z0-9]{1,50}")  # ClickBank's own have 5 to 10


def nickname(text: str) -> str:
    """An account's nickname as links hold it; raises `Misused` for what cannot be one."""
    told = text.strip().lower()
    if not _NICKNAME.fullmatch(told):
        raise Misused(f"{text[:60]!r} is no ClickBank nickname: those are letters and digits.")
    return told


def hoplink(affiliate: str, vendor: str) -> str:
    """The readable form of today; the click id is put in by each redirect."""
    return f"https://hop.clickbank.net/?affiliate={nickname(affiliate)}&vendor={nickname(vendor)}"
