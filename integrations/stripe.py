"""Stripe's API through its own client: what is read there, as plain JSON objects.

The client's objects are no dicts and change from release to release, so that none leaves this
file: what does is the answer's own JSON.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, cast
from urllib.parse import quote

from base.errors import Permanent, Transient

TIMEOUT_SECONDS = 10.0
PAGE = 100  # the most that Stripe gives at once
_MOST_PAGES = 50  # of one customer's subscriptions: beyond any customer there is


class StripeAway(Transient):
    """Stripe did not answer, or would not right now; the text has no secret in it."""


class StripeRefused(Permanent):
    """Stripe knows no such object, or takes no such question."""


class Told(NamedTuple):
    """What Stripe answered, and when by its own clock (whole seconds)."""

    objects: list[dict[str, Any]]
    at: datetime
    more: bool = False


class Stripe:
    """One account of Stripe; safe to be used by several threads."""

    def __init__(
        self, api_key: str, address: str | None = None, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        # Here, not above: it costs 0.8 s and 30 MB, which workers without a key do without.
        import stripe

        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": address} if address else None,
            max_network_retries=0,  # our rows are tried again, without holding up a thread
            http_client=stripe.RequestsClient(timeout=timeout_seconds),
        )

    def subscriptions(self, customer: str) -> Told:
        """All subscriptions of a customer, ended ones included; of an unknown customer none."""
        found: list[dict[str, Any]] = []
        at: datetime | None = None
        for told in self._pages("/v1/subscriptions", {"customer": customer, "status": "all"}):
            found += told.objects
            at = at or told.at  # the first page's: what came later is told by an event of its own
        assert at is not None
        return Told(found, at)

    def all_subscriptions(self, after: str | None) -> Told:
        """A page of all subscriptions; `after` is the last one's id of the page before."""
        return self._page("/v1/subscriptions", {"status": "all"}, after)

    def undelivered(self, after: str | None) -> Told:
        """A page of events of the last 30 days that did not reach every endpoint."""
        return self._page("/v1/events", {"delivery_success": "false"}, after)

    def price(self, price: str) -> dict[str, Any]:
        """A price with its product; raises `StripeRefused` when there is none."""
        return self.read(f"/v1/prices/{quote(price, safe='')}", {"expand": ["product"]})

    def charge(self, charge: str) -> dict[str, Any]:
        """A charge; raises `StripeRefused` when there is none."""
        return self.read(f"/v1/charges/{quote(charge, safe='')}")

    def read(self, path: str, asked: dict[str, Any] | None = None) -> dict[str, Any]:
        """Any one object by its path, as a thin event names it."""
        return self._ask(path, asked or {})[0]

    def _pages(self, path: str, asked: dict[str, Any]) -> Iterator[Told]:
        after = None
        for _ in range(_MOST_PAGES):
            told = self._page(path, asked, after)
            yield told
            if not told.more or not told.objects:
                return
            after = str(told.objects[-1].get("id"))

    def _page(self, path: str, asked: dict[str, Any], after: str | None) -> Told:
        asked = {**asked, "limit": PAGE} | ({"starting_after": after} if after else {})
        try:
            answer, at = self._ask(path, asked)
        except StripeRefused:
            if "customer" not in asked:
                raise
            answer, at = {"data": []}, _EARLIEST
        found = answer.get("data")
        objects = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        return Told(objects, at, answer.get("has_more") is True)

    def _ask(self, path: str, asked: dict[str, Any]) -> tuple[dict[str, Any], datetime]:
        answer = _translated(lambda: self._client.raw_request("get", path, **asked))
        if not isinstance(answer.data, dict):
            raise StripeAway("Stripe answered with something that is no object.")
        return cast(dict[str, Any], answer.data), _date(answer.headers.get("Date"))


_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


def _date(header: str | None) -> datetime:
    """The time in an answer's `Date`; without one nothing it says is newer than any event."""
    try:
        return parsedate_to_datetime(header or "").astimezone(UTC)
    except ValueError:
        return _EARLIEST


def _translated(ask: Callable[[], Any]) -> Any:
    """What the client returns; its errors as ours, without what Stripe said of the key."""
    import stripe  # as in `Stripe`

    try:
        return ask()
    except stripe.InvalidRequestError as error:
        raise StripeRefused(f"Stripe refused the question ({error.code or 'no code'}).") from None
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        name = type(error).__name__
        raise StripeAway(f"Stripe does not take HOPFLEET_STRIPE_API_KEY ({name}).") from None
    except stripe.StripeError as error:
        status = getattr(error, "http_status", None)
        raise StripeAway(f"Stripe did not answer ({type(error).__name__}, {status}).") from None
