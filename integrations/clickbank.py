"""ClickBank's REST API 1.3: what an account has sold, page by page, as plain values.

Its JSON is its XML, translated: a list of one is the one, numbers are texts, and nothing is an
object that says so. 403 stands for a wrong key, for missing rights and for exceeded limits.
"""

from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple

import httpx
import orjson

from base.clock import steady
from base.errors import Permanent, Transient

ADDRESS = "https://api.clickbank.com/rest/1.3/"
_SECONDS_BETWEEN = 0.15  # ten a second are allowed, to all programs behind one address together
# After a 403 that may mean the limit; of the first question it rather means a wrong key.
_PATIENCE, _FIRST_PATIENCE = (2.0, 8.0, 20.0), (1.0,)
_TIMEOUT_SECONDS = 20.0
_MOST_BYTES = 32 * 1024 * 1024
_NOT_HERE = frozenset({408, 429})

Json = dict[str, Any]


class ClickBankAway(Transient):
    """ClickBank did not answer, or not what it should; the text holds no secret."""


class ClickBankRefused(Permanent):
    """ClickBank does not let this key read orders, or its limit of the day is used up."""


class Page(NamedTuple):
    """Orders, and whether there is another page of them."""

    orders: list[Json]
    more: bool


class ClickBank:
    """One account; for one thread. `wait` is how it waits between questions."""

    def __init__(self, api_key: str, address: str | None, wait: Callable[[float], object]) -> None:
        self._wait = wait
        self._asked = -_SECONDS_BETWEEN
        self._is_known = False  # whether the key has opened anything yet
        self._client = httpx.Client(
            base_url=address or ADDRESS,
            headers={"Authorization": api_key, "Accept": "application/json"},
            timeout=_TIMEOUT_SECONDS,
        )

    def __enter__(self) -> "ClickBank":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def orders(self, first: date, last: date, page: int = 1) -> Page:
        """A page of what was sold and taken back from the first day to the last one, inclusive.

        Raises `ClickBankAway` and `ClickBankRefused`.
        """
        asked = {"startDate": first.isoformat(), "endDate": last.isoformat()}
        status, body = self._ask("orders2/list", asked, page)
        found = plain(body)
        told = found.get("orderData") if isinstance(found, dict) else found
        return Page([one for one in many(told) if isinstance(one, dict)], status == 206)

    def _ask(self, path: str, asked: dict[str, str], page: int) -> tuple[int, Any]:
        for patience in (*(_PATIENCE if self._is_known else _FIRST_PATIENCE), None):
            self._wait(max(0.0, self._asked + _SECONDS_BETWEEN - steady()))
            self._asked = steady()
            status, body = self._read(path, asked, page)
            if status in (200, 206):
                self._is_known = True
                return status, body
            if patience is None or status != 403:
                break
            self._wait(patience)
        if status == 403:
            raise ClickBankRefused(
                "ClickBank answered 403: the API key is wrong or may not read orders, or its"
                " requests of today are used up."
            )
        if status >= 500 or status in _NOT_HERE:
            raise ClickBankAway(f"ClickBank answered {status}.")
        raise ClickBankRefused(f"ClickBank answered {status} to a question for orders.")

    def _read(self, path: str, asked: dict[str, str], page: int) -> tuple[int, Any]:
        """A status and what was told in JSON; None for nothing."""
        body = bytearray()
        try:
            with self._client.stream(
                "GET", path, params=asked, headers={"Page": str(page)}
            ) as answer:
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > _MOST_BYTES:
                        raise ClickBankAway("ClickBank's answer has no end.")
        except httpx.HTTPError as error:
            raise ClickBankAway(f"ClickBank is away: {type(error).__name__}.") from None
        if answer.status_code not in (200, 206) or not body.strip():
            return answer.status_code, None  # the bodies of errors are plain text
        try:
            return answer.status_code, orjson.loads(body)
        except orjson.JSONDecodeError:
            raise ClickBankAway("ClickBank answered with something that is no JSON.") from None


def plain(value: Any) -> Any:
    """A translated value as it was meant: `@nil` is None, `$` the text of an element."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    if str(value.get("@nil", "")).lower() == "true":
        return None
    if "$" in value:
        return plain(value["$"])
    return {name: plain(one) for name, one in value.items() if not name.startswith("@")}


def many(value: Any) -> list[Any]:
    """What may be one, several or none, as a list."""
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]
