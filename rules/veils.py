"""Veils: what comes from outside is shown without the secrets that it may repeat."""

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
MOST_DEPTH = 32
_LEAST_CHARACTERS = 4  # shorter ones would blacken every text, and are no secrets
_MOST_NUMBER = 2.0**63

Veil = Callable[[str], str]


class TooDeep(ValueError):
    """JSON that is nested deeper than anybody means."""


def veil(secrets: Iterable[str]) -> Veil:
    """A function that blackens these in a text, also as they stand in URLs, JSON and base64."""
    told = {secret for secret in secrets if len(secret) >= _LEAST_CHARACTERS}
    spelled = {spelling for secret in told for spelling in _spellings(secret)}
    longest_first = sorted(spelled, key=lambda text: (-len(text), text))

    def hide(text: str) -> str:
        text = text.replace("\0", "")
        for secret in longest_first:
            text = text.replace(secret, MASK)
        return text

    return hide


def _spellings(secret: str) -> set[str]:
    raw = secret.encode(errors="replace")
    return {
        secret,
        quote(raw, safe=""),
        quote_plus(raw),
        json.dumps(secret)[1:-1],
        base64.b64encode(raw).decode().rstrip("="),
    }


def veiled(value: Any, hide: Veil, depth: int = 0) -> Any:
    """JSON with all of its texts and names behind the veil; raises `TooDeep`.

    Numbers beyond 64 bits become texts: PostgreSQL gives back integers that no JSON library of
    ours writes.
    """
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, float) and abs(value) >= _MOST_NUMBER:
        return str(value)
    if not isinstance(value, dict | list):
        return value
    if depth >= MOST_DEPTH:
        raise TooDeep("it is nested too deeply")
    if isinstance(value, list):
        return [veiled(one, hide, depth + 1) for one in value]
    return {hide(name): veiled(one, hide, depth + 1) for name, one in value.items()}
