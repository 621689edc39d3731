"""What a sender may put into `metadata`: anything JSON that PostgreSQL keeps unchanged."""

import math
import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from schemas.fields import AD_CLICK_IDS, FLEET_ONLY, SUBS, VALUE_CHARACTERS

MAX_DEPTH = 32
MAX_BYTES = 16_384
MAX_KEY_CHARACTERS = 100
MAX_NUMBER = 2**53  # beyond it, JavaScript and double-based readers see another number
MIN_NUMBER = 1e-16  # jsonb would write all the digits out

# Keys whose meaning the fleet knows: text of at most so many characters.
TEXTS = {
    **dict.fromkeys((*SUBS, *AD_CLICK_IDS), VALUE_CHARACTERS),
    **dict.fromkeys(("ua", "referrer"), VALUE_CHARACTERS),
    **dict.fromkeys(("device", "os", "browser"), 100),
    **dict.fromkeys(("order_id", "receipt", "reason"), 255),
}
_COUNTRY = re.compile("[A-Z]{2}")
_CURRENCY = re.compile("[A-Z]{3}")


def check(metadata: dict[str, Any]) -> dict[str, Any]:
    """`metadata` unchanged; raises `ValueError` with a sentence that names the key."""
    for key, value in metadata.items():
        why = _key(key) or _known(key, value)
        if why is None and type(value) is str:
            why = _text(value)  # by far the most usual: spare it the walk
        elif why is None:
            why = next(_faults(value, 2), None)
        if why is not None:
            raise ValueError(f"metadata.{_shown(key)}: {why}.")
    return metadata


def fault(value: Any) -> str | None:
    """Why any JSON value cannot be kept unchanged, as the end of a sentence; None when it can."""
    return next(_faults(value, 1), None)


def _shown(key: str) -> str:
    return ascii(key[:40])[1:-1]


def _known(key: str, value: Any) -> str | None:
    """What is wrong with a key that means something to the fleet."""
    if key in FLEET_ONLY:
        return "is written by Hopfleet itself and cannot be sent"
    if value is None:
        return None
    limit = TEXTS.get(key) or (VALUE_CHARACTERS if key.startswith("utm_") else None)
    if limit is not None:
        is_fine = isinstance(value, str) and len(value) <= limit
        return None if is_fine else f"must be text of at most {limit:,} characters"
    if key == "ip" and not _is_address(value):
        return "must be an IPv4 or IPv6 address"
    if key == "country" and not (isinstance(value, str) and _COUNTRY.fullmatch(value)):
        return 'must be two capital letters such as "US"'
    if key == "currency" and not (isinstance(value, str) and _CURRENCY.fullmatch(value)):
        return 'must be three capital letters such as "USD"'
    return None


def _is_address(value: Any) -> bool:
    try:
        return isinstance(value, str) and "%" not in value and bool(ip_address(value))
    except ValueError:
        return False


def _faults(value: Any, depth: int) -> Iterator[str]:
    """What PostgreSQL or a reader would refuse or change, anywhere inside `value`."""
    if isinstance(value, str):
        why = _text(value)
    elif isinstance(value, bool) or value is None:
        why = None
    elif isinstance(value, int):
        why = _integer(value)
    elif isinstance(value, float):
        why = _float(value)
    elif depth > MAX_DEPTH:
        why = f"is nested deeper than {MAX_DEPTH} levels"
    else:
        inner = value if isinstance(value, list) else value.values()
        keys = () if isinstance(value, list) else value
        yield from (why for key in keys if (why := _key(key)))
        for part in inner:
            yield from _faults(part, depth + 1)
        return
    if why:
        yield why


def _key(key: str) -> str | None:
    if len(key) > MAX_KEY_CHARACTERS:
        return f"is a key of more than {MAX_KEY_CHARACTERS} characters"
    return None if key.isascii() and key.isprintable() else _text(key)


def _text(value: str) -> str | None:
    if "\0" in value:
        return "holds a NUL character, which cannot be stored"
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return "holds half of a surrogate pair, which is no text"
    return None


def _integer(value: int) -> str | None:
    if -MAX_NUMBER <= value <= MAX_NUMBER:
        return None
    return "is an integer beyond 2^53; send it as text"


def _float(value: float) -> str | None:
    if not math.isfinite(value):
        return "is not a finite number"
    if abs(value) > MAX_NUMBER or 0 < abs(value) < MIN_NUMBER:
        return "is a number too large or too small to be kept exactly; send it as text"
    return None
