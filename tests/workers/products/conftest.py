"""ClickBank's API of our own, and the session that looks at what became of it."""

from collections.abc import Iterator

import pytest

from base.settings import settings
from db.connection import Tx
from tests import clickbank_fake
from tests.conftest import Connect


@pytest.fixture
def session(connect: Connect) -> Tx:
    return connect()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[clickbank_fake.ClickBank]:
    made = clickbank_fake.ClickBank(nicknames=["mynick"])
    made.sold = {"affiliate/vendor": [], "vendor/vendor": [], "vendor/product_sku": []}
    made.products = {"mynick": [], "other": []}
    with made.serve() as address:
        monkeypatch.setenv("HOPFLEET_CLICKBANK_API_URL", address)
        settings.cache_clear()
        yield made
    monkeypatch.undo()
    settings.cache_clear()
