"""Cleaning text that strangers sent, so that PostgreSQL, JSON and log lines can hold it."""

import re

# C0 and C1 control characters, DEL, and surrogates, which no UTF-8 writer accepts.
_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def clean(text: str, limit: int) -> str:
    """`text` without control characters and lone surrogates, cut at `limit` characters."""
    if not text.isprintable():
        text = _UNWANTED.sub("", text[: limit * 2])
    return text[:limit]
