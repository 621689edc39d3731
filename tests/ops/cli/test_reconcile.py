"""`hopfleet conversions reconcile`: on demand, and what it says."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from base.clock import now
from base.settings import settings
from db.connection import Tx
from tests import clickbank_fake, make
from tests import notifications as told
from tests.conftest import Connect
from tests.ops.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("journal_url", "redis_url")


@pytest.fixture
def session(connect: Connect) -> Tx:
    return connect()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[clickbank_fake.ClickBank]:
    """A ClickBank that commands ask, with two sales of yesterday."""
    yesterday = (now() - timedelta(days=1)).strftime("%Y%m%dT%H%M%S-0000")
    sold: list[dict[str, Any]] = [
        {**told.plain("03"), "receipt": receipt, "transactionTime": yesterday}
        for receipt in ("B3NW9KTE", "B3NW9KTF")
    ]
    made = clickbank_fake.ClickBank(sold)
    with made.serve() as address:
        monkeypatch.setenv("HOPFLEET_CLICKBANK_API_URL", address)
        settings.cache_clear()
        yield made
    monkeypatch.undo()
    settings.cache_clear()


def test_lost_sales_are_added_and_counted_in_the_answer(
    run: Run, session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    user = make.user(session)
    _, id_ = told.connect(session, user["id"], "SECRET", api_key=clickbank_fake.KEY)

    said = run("conversions", "reconcile", "--user", user["email"], "--json")
    again = run("conversions", "reconcile", "--integration", id_)

    assert said.code == 0
    assert (said.json["orders"], said.json["added"], said.json["differences"]) == (2, 2, 0)
    assert said.json["integrations"][0]["integration_id"] == id_
    assert said.json["integrations"][0]["receipts"] == ["B3NW9KTE", "B3NW9KTF"]
    assert "2 orders, 0 added" in again.out
    shown = run("conversions", "show", "B3NW9KTE", "--json")
    assert [one["revenue"] for one in shown.json["events"]] == ["18.04"]


def test_what_differs_is_drawn_as_a_table(
    run: Run, session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    user = make.user(session)
    told.connect(session, user["id"], "SECRET", api_key=clickbank_fake.KEY)
    run("conversions", "reconcile")
    fake.orders[0]["lineItems"] = [{"accountAmount": "1.00"}]

    said = run("conversions", "reconcile")

    assert "1 that differ" in said.out
    assert "18.04" in said.out
    assert "B3NW9KTE" in said.out


def test_without_an_api_key_it_says_how_to_name_one(
    run: Run, session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    told.connect(session, make.user(session)["id"], "SECRET")

    said = run("conversions", "reconcile")

    assert said.code == 2
    assert "--api-key" in said.err


def test_a_key_that_clickbank_refuses_is_a_failure_without_the_key(
    run: Run, session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    told.connect(session, make.user(session)["id"], "SECRET", api_key="API-WRONG")
    fake.failure = (400, b"")

    said = run("conversions", "reconcile")

    assert said.code == 1
    assert "API-WRONG" not in said.err + said.out


def test_a_time_that_ends_before_it_begins_is_wrong_use(run: Run, session: Tx) -> None:
    assert run("conversions", "reconcile", "--since", "1d", "--to", "2d").code == 2
