"""The marketplace's own search (GraphQL): private, undocumented, and behind a firewall.

It is what ClickBank's page asks, and answers some programs and not others. So whatever it says is
extra, and each way it refuses has a name.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from base.errors import Permanent, Transient
from integrations.whole_answers import Limits, NoAnswer, WholeAnswers

ADDRESS = "https://accounts.clickbank.com/graphql"
PER_PAGE = 30  # as the page asks
STATS = (
    "category", "subCategory", "activateDate", "gravity", "biGravity", "rank", "score",
    "initialDollarsPerSale", "averageDollarsPerSale", "totalRebill", "initialEPC", "averageEPC",
    "futureEPC", "netEPC", "conversionRate", "expectedReturnRate", "returnRateSource",
    "sellerVolume", "standard", "physical", "rebill", "upsell", "mobileEnabled", "directTracking",
    "cpaVisible", "dollarTrial", "de", "en", "es", "fr", "it", "pt",
)  # fmt: skip
_HIT = ("site", "title", "url", "offerImageUrl", "affiliateToolsUrl")
_QUERY = (
    "query ($parameters: MarketplaceSearchParameters!) {"
    " marketplaceSearch(parameters: $parameters) { totalHits offset"
    f" hits {{ {' '.join(_HIT)} marketplaceStats {{ {' '.join(STATS)} }} }} }} }}"
)
LIMITS = Limits(whole_seconds=60.0, most_bytes=8 * 1024 * 1024)
_LATER = frozenset({408, 425, 429})
_HTML = re.compile(rb"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)
_MOST_SAID = 200

Json = dict[str, Any]


class SearchAway(Transient):
    """The search did not answer, or not to the end."""


class SearchRefused(Permanent):
    """It does not let us search; `reason` is `firewall`, `errors` or `shape`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Hits(NamedTuple):
    """A page: hits as they were told, every number as text; and how many there are in all."""

    hits: list[Json]
    total: int


class MarketplaceSearch:
    """A client; for one thread. `turn` is called before each question, and waits for it."""

    def __init__(self, address: str, turn: Callable[[], object], limits: Limits = LIMITS) -> None:
        self._address, self._turn = address, turn
        self._answers = WholeAnswers(limits, Accept="application/json")

    def __enter__(self) -> "MarketplaceSearch":
        return self

    def __exit__(self, *told: Any) -> None:
        self._answers.__exit__(*told)

    def by_nickname(self, nickname: str) -> Hits:
        """The offers of one seller; raises `SearchAway` and `SearchRefused`."""
        return self._ask({"nicknameMasq": nickname.upper(), "offset": 0})

    def by_category(self, category: str, offset: int) -> Hits:
        """A page of a category, by the name that is shown, the most gravity first."""
        return self._ask({"category": category, "offset": offset})

    def _ask(self, asked: Json) -> Hits:
        parameters = {
            "sortField": "gravity", "sortDescending": True, "resultsPerPage": PER_PAGE, **asked,
        }  # fmt: skip
        self._turn()
        question = {"query": _QUERY, "variables": {"parameters": parameters}}
        try:
            told = _read(*self._answers.ask("POST", self._address, json=question))
        except NoAnswer as error:
            raise SearchAway(f"The marketplace search did not answer: {error}.") from None
        hits = told.get("hits")
        found = [one for one in hits if isinstance(one, dict)] if isinstance(hits, list) else []
        total = told.get("totalHits")
        return Hits(found, int(total) if isinstance(total, str) and total.isdecimal() else 0)


def _read(status: int, body: bytes) -> Json:
    """What was told of the search; raises for all else."""
    if status >= 500 or status in _LATER:
        raise SearchAway(f"The marketplace search answered {status}.")
    if status in (401, 403) or 300 <= status < 400 or _HTML.match(body):
        raise SearchRefused(
            "firewall",
            f"The marketplace search answered {status} and no data: its firewall or a login keeps"
            " programs out. Products are as they were; sync them from the feed instead.",
        )
    try:
        # As they were written: 143.0443775346317 is no number of ours.
        told = json.loads(body, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        raise SearchRefused(
            "shape", f"The marketplace search answered {status} and no JSON."
        ) from None  # fmt: skip
    errors = told.get("errors") if isinstance(told, dict) else None
    if errors:
        raise SearchRefused(
            "errors", f"The marketplace search refused the question: {_said(errors)}"
        )
    data = told.get("data") if isinstance(told, dict) else None
    found = data.get("marketplaceSearch") if isinstance(data, dict) else None
    if status != 200 or not isinstance(found, dict):
        raise SearchRefused(
            "shape", f"The marketplace search answered {status} and nothing of use."
        )
    return found


def _said(errors: Any) -> str:
    first = errors[0] if isinstance(errors, list) else errors
    message = first.get("message") if isinstance(first, dict) else first
    text = " ".join(str(message).split())
    return "".join(one for one in text if one.isprintable())[:_MOST_SAID]
