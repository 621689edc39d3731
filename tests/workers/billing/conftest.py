"""A Stripe of our own, with a key to it and without."""

import os
from collections.abc import Iterator

import pytest

from base.clock import now
from base.settings import settings
from db.connection import Tx
from tests.conftest import Connect
from tests.stripe_fake import KEY, Stripe
from workers import stripe_calls


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Looks at what was committed."""
    return connect()


@pytest.fixture
def account(database: str) -> Stripe:
    """A Stripe whose clock began a day ago; we have no key to it."""
    stripe_calls.client.cache_clear()
    return Stripe(int(now().timestamp()) - 86_400)


@pytest.fixture
def with_key(account: Stripe) -> Iterator[Stripe]:
    """The same, which we may ask."""
    with account.serve() as address:
        os.environ |= {"HOPFLEET_STRIPE_API_KEY": KEY, "HOPFLEET_STRIPE_API_URL": address}
        settings.cache_clear()
        stripe_calls.client.cache_clear()
        yield account
    del os.environ["HOPFLEET_STRIPE_API_KEY"], os.environ["HOPFLEET_STRIPE_API_URL"]
    settings.cache_clear()
    stripe_calls.client.cache_clear()
