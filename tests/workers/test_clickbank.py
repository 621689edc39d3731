"""ClickBank's notifications in a worker: what they become, in whatever order and how often."""

import random
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from base.clock import now, wall_ms
from base.ids import uuid7_hex
from base.sealing import seal, unseal
from base.settings import settings
from db import integrations, webhooks
from db.connection import Tx, transaction
from journal.streams import Kind
from tests import make
from tests import notifications as told
from tests.conftest import Connect
from tests.workers.items import claimed, held, item, rows
from workers.clickbank import redo
from workers.outcome import Outcome
from workers.store import store

pytestmark = pytest.mark.usefixtures("journal")

SECRET = "QH7TRAILMAP20260"
CLICK = "3f0c9a1e7b424d6f9a550c1d2e3f4a5b"  # of the vectors


@pytest.fixture
def session(connect: Connect) -> Tx:
    return connect()


@pytest.fixture
def campaign(session: Tx) -> make.Made:
    return make.campaign(session)


class Account:
    """A user's integrations, one per secret, and their messages on the way to a worker."""

    def __init__(self, session: Tx, campaign: make.Made, **chosen: Any) -> None:
        self.session, self.user, self._chosen = session, campaign["user_id"], chosen
        self.ids: dict[str, str] = {}

    def tell(self, body: bytes, secret: str = SECRET, arrived: str | None = None) -> Outcome:
        """Store one message, as the door keeps it."""
        if secret not in self.ids:
            self.ids[secret] = told.connect(self.session, self.user, secret, self._chosen)[1]
        one = item(
            self.user, type="ins", door="clickbank", integration=self.ids[secret],
            id=arrived or uuid7_hex(wall_ms()), body=body.decode("latin-1"), meta={},
        )  # fmt: skip
        outcome = Outcome(Kind.WEBHOOKS)
        with transaction() as tx:
            store(tx, Kind.WEBHOOKS, [claimed(one)], now(), outcome)
        return outcome

    def vector(self, start: str) -> Outcome:
        one = told.vector(start)
        return self.tell(told.body(one), one["secret_key"])


@pytest.fixture
def account(session: Tx, campaign: make.Made) -> Account:
    return Account(session, campaign)


def inbox(session: Tx, *columns: str) -> list[Any]:
    found = session.execute(f"SELECT {', '.join(columns)} FROM webhooks ORDER BY id").fetchall()
    return [row if len(columns) > 1 else row[0] for row in found]


def paid(session: Tx) -> list[tuple[str, Decimal]]:
    return sorted((row["event_type"], row["revenue"]) for row in rows(session))


# --- the vectors


@pytest.mark.parametrize("one", told.vectors(), ids=lambda one: one["id"])
def test_a_vector_gives_the_expected_event(
    session: Tx, account: Account, one: dict[str, Any]
) -> None:
    expect = one["expect"]
    event, revenue = expect["suggested_event_type"], expect["suggested_revenue"]

    account.tell(told.body(one), one["secret_key"])

    assert paid(session) == ([(event, Decimal(revenue))] if event else [])
    assert inbox(session, "state", "type", "receipt", "body") == [
        ("done", expect["transaction_type"], expect["receipt"], told.body(one))
    ]
    for row in rows(session):
        assert row["source"] == "clickbank"
        assert row["metadata"]["occurred_at"] == expect["occurred_at_utc"]
        assert row["metadata"]["role"] == expect["role"]


def test_outcomes_are_told_apart(session: Tx, account: Account) -> None:
    for start in ("01", "02", "09", "10"):
        account.vector(start)
    account.tell(told.made(SECRET, transactionType="NEW_THING"))

    assert inbox(session, "outcome") == ["test", "recorded", "status", "test", "unknown_type"]


@pytest.mark.parametrize("seed", range(5))
def test_all_vectors_thrice_and_shuffled_sum_up_as_in_order(
    session: Tx, account: Account, seed: int
) -> None:
    expected = [one["expect"] for one in told.vectors() if one["expect"]["suggested_revenue"]]
    starts = [one["id"][:2] for one in told.vectors()] * 3
    random.Random(seed).shuffle(starts)
    # A refund before its sale, whatever the dice say.
    starts = ["07", "08", "12", *starts]

    for start in starts:
        account.vector(start)

    assert paid(session) == sorted(
        (one["suggested_event_type"], Decimal(one["suggested_revenue"])) for one in expected
    )
    assert {row["metadata"].get("excess") for row in rows(session)} == {None}


def test_a_sale_its_upsell_and_rebill_follow_one_click(
    session: Tx, account: Account, campaign: make.Made
) -> None:
    click = item(account.user, campaign["id"], id=uuid7_hex(wall_ms() - 60_000), door="r")
    with transaction() as tx:
        store(tx, Kind.CLICKS, [claimed(click)], now(), Outcome(Kind.CLICKS))
    dashed = "-".join((click["id"][:8], click["id"][8:].upper()))
    mine = {"affiliateTrackingParameters": [{"extclid": dashed}], "trackingCodes": None}

    account.tell(told.made(SECRET, "06", affiliateTrackingParameters=None, trackingCodes=None))
    account.tell(told.made(SECRET, "05", vendorVariables=None, role="AFFILIATE"))
    account.tell(told.made(SECRET, "02", **mine))

    found = [row for row in rows(session) if row["event_type"] != "click"]
    assert {row["campaign_id"] for row in found} == {campaign["id"]}
    assert len(found) == 3


# --- whose share counts


def test_narrowed_to_a_role_the_others_share_does_not_count(
    session: Tx, campaign: make.Made
) -> None:
    account = Account(session, campaign, role="AFFILIATE", nickname="maplewick")

    account.tell(told.made(SECRET))
    account.tell(told.made(SECRET, role="VENDOR"))
    account.tell(told.made(SECRET, affiliate="stranger"))

    assert inbox(session, "outcome") == ["recorded", "role_ignored", "nickname_ignored"]
    assert paid(session) == [("conversion", Decimal("41.37"))]


def test_a_buyers_address_is_sealed_and_in_no_event(
    session: Tx, account: Account, campaign: make.Made
) -> None:
    make.bonus(session, campaign["id"])
    one = told.vector("04")

    account.tell(told.body(one), one["secret_key"])

    assert "greta" not in str(rows(session)).lower()
    assert b"greta" not in inbox(session, "body")[0].lower()


# --- what cannot be read


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (told.made("OTHERKEY"), "undecryptable"),
        (told.made(SECRET)[:-60] + b'","iv":"N0MxRTA5QTRGMjVCODNENg=="}', "undecryptable"),
        (told.encrypted(b"{}", SECRET), "unreadable"),
        (told.encrypted(b'{"transactionType":"SALE"}', SECRET), "unreadable"),
        (told.made(SECRET, totalAccountAmount="1e3"), "unreadable"),
        (told.made(SECRET, totalAccountAmount=123456789012), "unreadable"),
        (told.encrypted(b'{"totalAccountAmount":NaN}', SECRET), "unreadable"),
        (b"{}", "unreadable"),
        (b"cverify=1&ctransreceipt=2", "unreadable"),
    ],
    ids=["foreign key", "truncated", "empty", "no receipt", "exponent", "too much", "NaN",
         "no notification", "legacy"],
)  # fmt: skip
def test_what_cannot_be_read_is_a_dead_letter_and_no_event(
    session: Tx, account: Account, body: bytes, reason: str
) -> None:
    account.tell(body)

    assert inbox(session, "state", "reason", "body") == [("dead", reason, body)]
    assert paid(session) == []
    assert held(session) == []


def test_once_the_secret_is_right_a_dead_letter_is_counted_once(
    session: Tx, account: Account
) -> None:
    account.tell(told.made("RIGHTKEY"), SECRET)
    found = account.ids[SECRET]
    _secret(session, found, "RIGHTKEY")

    with transaction() as tx:
        webhooks.replay(tx, inbox(session, "id"))
    redo()
    with transaction() as tx:
        webhooks.replay(tx, inbox(session, "id"), again=True)
    redo()
    redo()

    assert inbox(session, "state", "outcome", "receipt") == [("done", "recorded", "QX7PLM2E")]
    assert paid(session) == [("conversion", Decimal("41.37"))]


def test_a_dead_letter_that_is_tried_again_in_vain_stays_dead(
    session: Tx, account: Account
) -> None:
    account.tell(told.made("RIGHTKEY"), SECRET)

    with transaction() as tx:
        webhooks.replay(tx, inbox(session, "id"))
    redo()

    assert inbox(session, "state", "reason") == [("dead", "undecryptable")]


def _secret(session: Tx, integration_id: str, secret: str) -> None:
    shown = integrations.show(session, integration_id)
    assert shown is not None
    secrets = orjson.loads(unseal(shown.sealed, settings())) | {"secret": secret}
    integrations.rotate(
        session, integration_id, integrations.mint(), seal(orjson.dumps(secrets), settings())
    )


def test_a_message_again_waits_for_its_click(
    session: Tx, account: Account, campaign: make.Made
) -> None:
    click = uuid7_hex(wall_ms())
    codes: dict[str, Any] = {"trackingCodes": [click], "affiliateTrackingParameters": None}
    account.tell(told.made("RIGHTKEY", **codes), SECRET)
    _secret(session, account.ids[SECRET], "RIGHTKEY")
    with transaction() as tx:
        webhooks.replay(tx, inbox(session, "id"))

    redo()
    waiting = inbox(session, "state", "last_error")
    with transaction() as tx:
        store(tx, Kind.CLICKS, [claimed(item(account.user, campaign["id"], id=click, door="r"))],
              now(), Outcome(Kind.CLICKS))  # fmt: skip
        tx.execute("UPDATE webhooks SET next_attempt_at = now()")
    redo()

    assert waiting == [("pending", "click_pending")]
    assert inbox(session, "state", "outcome") == [("done", "recorded")]
    assert [row["campaign_id"] for row in rows(session)] == [campaign["id"]] * 2


# --- attacks


def test_a_replayed_message_counts_once_whatever_address_it_comes_to(
    session: Tx, account: Account
) -> None:
    body = told.made(SECRET)

    for _ in range(4):
        account.tell(body)

    assert paid(session) == [("conversion", Decimal("41.37"))]


def test_a_future_date_makes_no_partition_and_loses_no_money(session: Tx, account: Account) -> None:
    for at in ("20990101T000000Z", "99990101T000000Z", "never", "00010101T000000+2359"):
        account.tell(told.made(SECRET, receipt=f"R{abs(hash(at)) % 10**7}", transactionTime=at))

    assert sum(row["revenue"] for row in rows(session)) == Decimal("165.48")
    assert held(session) == []


def test_another_tenants_receipt_is_not_touched(
    session: Tx, account: Account, connect: Connect
) -> None:
    stranger = Account(session, make.campaign(session))
    account.tell(told.made(SECRET))

    stranger.tell(told.made("STRANGER", "07", receipt="QX7PLM2E"), "STRANGER")

    sums = session.execute(
        "SELECT user_id, sum(revenue) FROM analytics_events GROUP BY user_id"
    ).fetchall()
    assert dict(sums) == {account.user: Decimal("41.37"), stranger.user: Decimal("-41.37")}


def test_of_a_deleted_integration_nothing_is_kept(session: Tx, account: Account) -> None:
    account.tell(told.made(SECRET))
    session.execute("DELETE FROM integrations")

    outcome = account.tell(told.made(SECRET, receipt="ANOTHER1"))

    assert outcome.gone == 1
    assert len(inbox(session, "id")) == 1


@pytest.mark.parametrize("integration", ["", "x", "0190aa00-0000-7000-8000-000000000000"])
def test_an_item_of_no_integration_harms_no_neighbour(
    session: Tx, account: Account, integration: str
) -> None:
    account.tell(told.made(SECRET))
    good = item(account.user, type="ins", door="clickbank", integration=account.ids[SECRET],
                body=told.made(SECRET, receipt="ANOTHER1").decode(), meta={})  # fmt: skip
    outcome = Outcome(Kind.WEBHOOKS)

    with transaction() as tx:
        store(tx, Kind.WEBHOOKS, [claimed({**good, "integration": integration}, good)], now(),
              outcome)  # fmt: skip

    assert outcome.gone == 1
    assert len(paid(session)) == 2


# --- versions 1 to 5


def test_legacy_forms_count_where_they_are_allowed(session: Tx, campaign: make.Made) -> None:
    account = Account(session, campaign, legacy=True)

    for one in told.forms():
        account.tell(urlencode(one["fields"]).encode(), one["secret_key"])
    changed = told.forms()[0]["fields"] | {"caccountamount": "999999"}
    account.tell(urlencode(changed).encode(), told.forms()[0]["secret_key"])

    assert paid(session) == [
        ("conversion", Decimal("18.04")),
        ("rebill", Decimal("8.73")),
        ("refund", Decimal("-18.04")),
    ]
    assert inbox(session, "reason") == [None, None, None, "undecryptable"]
