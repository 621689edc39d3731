"""Cleaning text that strangers sent, so that PostgreSQL, JSON and log lines can hold it."""

import re

from schemas.fields import UNWANTED

_UNWANTED = re.compile(UNWANTED)


def clean(text: str, limit: int) -> str:
    """`text` without control characters and lone surrogates, cut at `limit` characters."""
    if not text.isprintable():
        text = _UNWANTED.sub("", text[: limit * 2])
    return text[:limit]
