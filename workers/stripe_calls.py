"""Stripe's API as a run of an actor asks it."""

from functools import cache
from typing import Any

from base.errors import Permanent
from base.settings import settings
from integrations.stripe import Stripe, StripeAway


@cache
def client() -> Stripe | None:
    """Stripe's API; None when no key is set and messages must do."""
    chosen = settings()
    if chosen.stripe_api_key is None:
        return None
    return Stripe(chosen.stripe_api_key.get_secret_value(), chosen.stripe_api_url)


class Run:
    """One run's view of Stripe: once it was away, nobody waits for it again in this run."""

    def __init__(self) -> None:
        self.client = client()
        self.away: str | None = None

    def ask(self, question: str, *args: Any) -> Any:
        """What the client's method `question` answers; raises `StripeAway` at once after one."""
        if self.client is None:
            raise Permanent("Set HOPFLEET_STRIPE_API_KEY: this message says only whom to ask for.")
        if self.away is not None:
            raise StripeAway(self.away)
        try:
            return getattr(self.client, question)(*args)
        except StripeAway as error:
            self.away = str(error)
            raise
