"""The country of an address, from a MaxMind-format file that the operator names."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import maxminddb

from base.logs import log

Country = Callable[[str], str | None]


def open_country(file: Path | None) -> Country:
    """A function from an address (truncated ones will do) to a two-letter code or None.

    Without a file, or with one that cannot be read, it knows nothing: a click is worth storing
    without its country.
    """
    if file is None:
        return lambda address: None
    try:
        reader = maxminddb.open_database(file)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        log().error("geo.unreadable", file=str(file), reason=str(error))
        return lambda address: None

    @lru_cache(50_000)
    def country(address: str) -> str | None:
        try:
            found: Any = reader.get(address)
        except (ValueError, maxminddb.InvalidDatabaseError):
            return None
        return _code(found)

    return country


def _code(found: Any) -> str | None:
    """MaxMind nests the code, iptoasn-like files have it at the top."""
    if not isinstance(found, dict):
        return None
    nested = found.get("country")
    code = nested.get("iso_code") if isinstance(nested, dict) else found.get("country_code", nested)
    return code if isinstance(code, str) and len(code) == 2 else None
