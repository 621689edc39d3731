"""ClickBank's REST API 1.3: one account's questions and answers, page by page, as plain values.

Its JSON is its XML, translated: a list of one is the one, numbers are texts, and nothing is an
object that says so. 403 stands for a wrong key, for missing rights and for exceeded limits.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import orjson

from base.clock import steady
from base.errors import Permanent, Transient
from integrations.whole_answers import Limits, NoAnswer, WholeAnswers

ADDRESS = "https://api.clickbank.com/rest/1.3/"
_SECONDS_BETWEEN = 0.15  # ten a second are allowed, to all programs behind one address together
# After a 403 that may mean the limit; of the first question it rather means a wrong key.
_PATIENCE, _FIRST_PATIENCE = (2.0, 8.0, 20.0), (1.0,)
_NOT_HERE = frozenset({408, 429})
_BROKEN_SECONDS = 1.0
_LIMIT = re.compile(rb"limit|exceed|quota|too many", re.IGNORECASE)  # texts of errors are free
_KEY = re.compile(rb"api.?key|expired|credential", re.IGNORECASE)
_READ_OF_ERRORS = 2_000

Json = dict[str, Any]
Asked = Mapping[str, str | Sequence[str]]


class ClickBankAway(Transient):
    """ClickBank did not answer, or not what it should; the text holds no secret."""


class ClickBankBusy(Transient):
    """ClickBank says that limits are exceeded, and went on saying so."""


class ClickBankRefused(Permanent):
    """ClickBank does not let this key read what was asked; `reason` is `key` or `rights`."""

    def __init__(self, message: str, reason: str = "rights") -> None:
        super().__init__(message)
        self.reason = reason


class Page(NamedTuple):
    """Orders, and whether there is another page of them."""

    orders: list[Json]
    more: bool


class Answer(NamedTuple):
    """A status, and what was told in JSON; None for nothing. `names` is what an error names."""

    status: int
    told: Any
    names: str | None = None  # limit, key


class ClickBank:
    """One account; for one thread. `wait` is how it waits between questions.

    `turn` is called before each question and returns when it may be asked, so that all programs
    keep to one limit together; without it this client keeps to the limit alone.
    """

    def __init__(
        self,
        api_key: str,
        address: str | None,
        wait: Callable[[float], object],
        *,
        turn: Callable[[], object] | None = None,
        limits: Limits = Limits(),
    ) -> None:
        if not (api_key.isascii() and api_key.isprintable()):
            raise ClickBankRefused("The API key holds characters that no key of ClickBank's has.",
                                   "key")  # fmt: skip
        self._wait = wait
        self._turn = turn or self._own_turn
        self._asked = -_SECONDS_BETWEEN
        self._opened: tuple[str, Asked] | None = None  # what the key has opened
        headers = {"Authorization": api_key, "Accept": "application/json"}
        self._answers = WholeAnswers(limits, address or ADDRESS, **headers)

    def __enter__(self) -> "ClickBank":
        return self

    def __exit__(self, *told: Any) -> None:
        self._answers.__exit__(*told)

    def orders(self, first: date, last: date, page: int = 1) -> Page:
        """A page of what was sold and taken back from the first day to the last one, inclusive.

        Raises as `ask` does.
        """
        asked = {"startDate": first.isoformat(), "endDate": last.isoformat()}
        status, told, _ = self.ask("orders2/list", asked, page)
        found = plain(told)
        told = found.get("orderData") if isinstance(found, dict) else found
        return Page([one for one in many(told) if isinstance(one, dict)], status == 206)

    def ask(self, path: str, asked: Asked, page: int = 1) -> Answer:
        """One page; status 206 says that there is another, 200 that it is the last.

        Raises `ClickBankAway`, `ClickBankBusy` and `ClickBankRefused`, and whatever `turn` raises.
        """
        answer = self._patiently(path, asked, page)
        if answer.status in (200, 206):
            self._opened = (path, asked)
            return answer
        if answer.status >= 500 or answer.status in _NOT_HERE:
            raise ClickBankAway(f"ClickBank answered {answer.status}.")
        noun = path.split("/")[0]
        if answer.status != 403:
            raise ClickBankRefused(f"ClickBank answered {answer.status} to a question for {noun}.")
        if answer.names == "limit":
            raise ClickBankBusy(
                "ClickBank answered 403: the account's requests of today are used up, or others"
                " behind this address ask too often."
            )
        if self._opened is not None and self._opens():
            raise ClickBankRefused(f"ClickBank answered 403: the API key has no right to {noun}.")
        if self._opened is not None:
            raise ClickBankRefused(
                "ClickBank answers 403 to what it answered before: the API key has expired, or its"
                " requests of today are used up.",
                "key",
            )
        raise ClickBankRefused(
            "ClickBank answered 403: the API key is wrong, has expired, or has no rights at all.",
            "key",
        )

    def _patiently(self, path: str, asked: Asked, page: int) -> Answer:
        tried = 0
        while True:
            self._turn()
            answer = self._read(path, asked, page)
            if answer.status != 403:
                return answer
            patience = _PATIENCE if answer.names == "limit" or self._opened else _FIRST_PATIENCE
            is_over = tried >= len(patience) or (tried > 0 and answer.names == "key")
            if is_over or (self._opened and answer.names is None and self._opens()):
                return answer  # the second: no limit, for it answers what it answered before
            self._wait(patience[tried])
            tried += 1

    def _opens(self) -> bool:
        """Whether the key still opens what it opened last."""
        assert self._opened is not None
        self._turn()
        return self._read(*self._opened, 1).status in (200, 206)

    def _own_turn(self) -> None:
        self._wait(max(0.0, self._asked + _SECONDS_BETWEEN - steady()))
        self._asked = steady()

    def _read(self, path: str, asked: Asked, page: int) -> Answer:
        """An answer of any status; a connection that breaks is made again, once."""
        question = {"params": dict(asked), "headers": {"Page": str(page)}}
        try:
            status, body = self._answers.ask("GET", path, **question)
        except NoAnswer as error:
            if not error.is_broken:
                raise ClickBankAway(f"ClickBank did not answer: {error}.") from None
            self._wait(_BROKEN_SECONDS)
            self._turn()
            try:
                status, body = self._answers.ask("GET", path, **question)
            except NoAnswer as again:
                raise ClickBankAway(f"ClickBank did not answer: {again}.") from None
        if status not in (200, 206):  # the bodies of errors are plain text
            return Answer(status, None, _named(body[:_READ_OF_ERRORS]))
        if not body.strip():
            return Answer(status, None)
        try:
            return Answer(status, orjson.loads(body))
        except orjson.JSONDecodeError:
            raise ClickBankAway("ClickBank answered with something that is no JSON.") from None


def _named(text: bytes) -> str | None:
    if _LIMIT.search(text):
        return "limit"
    return "key" if _KEY.search(text) else None


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
