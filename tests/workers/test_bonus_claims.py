"""Claims and links: a buyer's word is held against what was sold, and its link is issued."""

import base64
import os
from collections.abc import Iterator
from typing import Any

import pytest

from base.clock import now
from base.settings import settings
from db import bonus_files
from db.connection import Tx, transaction
from journal.streams import Kind
from tests import make
from tests.conftest import Connect
from tests.fleet.program import until
from tests.make import Made
from tests.workers import items
from tests.workers.buying import ADA, counted, refund, sealed, sell, states
from tests.workers.post import Post, post
from workers.bonuses import link, mailing, match
from workers.outcome import Outcome
from workers.store import store

EVE = "eve@example.com"


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Looks at what was committed."""
    return connect()


@pytest.fixture
def campaign(session: Tx) -> Made:
    """A campaign without a bonus."""
    return make.campaign(session)


@pytest.fixture
def bonus(session: Tx, campaign: Made) -> Made:
    """A bonus by a link."""
    return make.bonus(session, campaign["id"], delivery_method="download", file_url="https://e.co/")


@pytest.fixture
def server(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    """The installation's mail server."""
    with post() as found:
        monkeypatch.setitem(os.environ, "HOPFLEET_SMTP_URL", found.url)
        settings.cache_clear()
        yield found
        until(lambda: mailing._thread is None, 30, "mailing has ended")
    settings.cache_clear()


def told(campaign: Made, receipt: str = "R1", email: str = ADA, **more: Any) -> Any:
    """A claim as its door tells it."""
    buyer = base64.b64encode(sealed(email)).decode()
    meta = {"ip": more.pop("ip", "")}
    usual = {"type": "claim", "door": "claim", "receipt": receipt, "buyer": buyer, "meta": meta}
    return items.item(campaign["user_id"], campaign["id"], **(usual | more))


def take(*claims: Any) -> Outcome:
    """What the drain does with them."""
    outcome = Outcome(Kind.WEBHOOKS)
    with transaction() as tx:
        store(tx, Kind.WEBHOOKS, [items.claimed(*claims)], now(), outcome)
    return outcome


def settle(*claims: Any) -> None:
    """Taken, matched, and links issued."""
    take(*claims)
    match()
    link()


def outcomes(session: Tx) -> list[Any]:
    return session.execute(
        "SELECT state, outcome FROM bonus_claims ORDER BY receipt, id"
    ).fetchall()


def look_again(session: Tx, *, hours: int = 0) -> None:
    """As if that much time had passed."""
    session.execute(
        "UPDATE bonus_claims SET next_attempt_at = now(), created_at = created_at"
        " - make_interval(hours => %s) WHERE state = 'pending'",
        (hours,),
    )
    match()
    link()


def test_a_sold_receipt_earns_its_link(session: Tx, campaign: Made, bonus: Made) -> None:
    sell(campaign, "SALE-1", None)
    claim = told(campaign, "sale-1")

    settle(claim)

    assert outcomes(session) == [("done", "matched")]
    assert states(session) == [("done", "delivered")]
    assert counted(session, bonus["id"]) == 1
    [file] = bonus_files.of_claim(session, claim["id"])
    assert file.file_url == "https://e.co/"
    assert session.execute("SELECT address FROM bonus_claims").fetchall() == [(None,)]


def test_a_claim_that_comes_twice_is_one(session: Tx, campaign: Made, bonus: Made) -> None:
    claim = told(campaign)

    first, second = take(claim), take(claim)

    assert outcomes(session) == [("pending", None)]
    assert [sorted(one.ended().values()) for one in (first, second)] == [[1], [1]]
    assert {word for _, _, word in second.ended()} == {"duplicate"}


def test_a_claim_waits_for_its_sale_and_then_gives_up(
    session: Tx, campaign: Made, bonus: Made
) -> None:
    settle(told(campaign, "A"), told(campaign, "B"))
    before = outcomes(session)

    sell(campaign, "A", None)  # wakes the claim: nobody turns its clock here
    match()
    link()
    look_again(session, hours=72)

    assert before == [("pending", None)] * 2
    assert outcomes(session) == [("done", "matched"), ("done", "expired")]
    assert counted(session, bonus["id"]) == 1


@pytest.mark.parametrize("what", ["refunded", "other_campaign", "other_user", "never"])
def test_what_was_not_sold_here_earns_nothing(
    session: Tx, campaign: Made, bonus: Made, what: str
) -> None:
    other = make.campaign(
        session, **({"user_id": campaign["user_id"]} if what == "other_campaign" else {})
    )
    make.bonus(session, other["id"], delivery_method="download")
    if what == "refunded":
        refund(sell(campaign, "R1", None))
    elif what != "never":
        sell(other, "R1", None)
    claim = told(campaign)

    settle(claim)

    assert outcomes(session) == [("pending", None)]
    assert bonus_files.of_claim(session, claim["id"]) == []
    assert counted(session, bonus["id"]) == 0


def test_repeats_go_to_the_first_address_only_and_three_times(
    session: Tx, campaign: Made, server: Post
) -> None:
    bonus = make.bonus(session, campaign["id"], name="Tips")
    sell(campaign, "R1", None)

    for number, email in enumerate([ADA, EVE, ADA.upper(), EVE, ADA, ADA, ADA, ADA]):
        settle(told(campaign, "R1", email))
        mailing.wake()
        words = [word for _, word in outcomes(session)]
        until(
            lambda n=words.count("matched"): len(server.mails) == n  # type: ignore[misc]
            and states(session) == [("done", "delivered")], 20, f"mails after claim {number}",
        )  # fmt: skip

    assert [word for _, word in outcomes(session)] == [
        "matched", "another_address", "matched", "another_address", "matched", "matched",
        "repeated", "repeated",
    ]  # fmt: skip
    assert {address.lower() for address in server.recipients} == {ADA}
    assert len(set(server.ids())) == 4  # else mailboxes would show the first one only
    assert counted(session, bonus["id"]) == 1


def test_a_mistyped_address_may_be_told_anew(session: Tx, campaign: Made, server: Post) -> None:
    bonus = make.bonus(session, campaign["id"])
    server.plan = ["550 no such mailbox"]
    sell(campaign, "R1", None)
    settle(told(campaign, "R1", "adda@example.com"))
    mailing.wake()
    until(lambda: states(session) == [("dead", "mail_refused")], 20, "it was refused")

    settle(told(campaign, "R1", ADA))
    mailing.wake()
    until(lambda: states(session) == [("done", "delivered")], 20, "it was delivered")

    assert server.recipients == [ADA]
    assert counted(session, bonus["id"]) == 1


def test_a_known_buyer_gets_the_link_at_once_and_by_mail(
    session: Tx, campaign: Made, bonus: Made, server: Post
) -> None:
    sell(campaign)

    link()
    at_once = counted(session, bonus["id"])
    mailing.wake()
    until(lambda: states(session) == [("done", "delivered")], 20, "it was mailed")

    assert at_once == 1
    assert server.recipients == [ADA]
    assert counted(session, bonus["id"]) == 1


def test_a_bonus_that_came_after_the_sale_is_owed_when_the_buyer_asks(
    session: Tx, campaign: Made
) -> None:
    order = sell(campaign, "R1", None)
    make.insert(
        session, "receipts",
        {
            "order_id": order, "user_id": campaign["user_id"], "receipt": "R1",
            "type": "conversion", "state": "approved", "door": "postback", "verdict": "counted",
            "event_id": "0" * 32, "item_id": "0" * 32,
        },
    )  # fmt: skip
    late = make.bonus(session, campaign["id"], delivery_method="download")

    settle(told(campaign))

    assert outcomes(session) == [("done", "matched")]
    assert counted(session, late["id"]) == 1


def test_many_claims_of_a_receipt_or_a_network_are_limited(
    session: Tx, campaign: Made, bonus: Made
) -> None:
    take(*(told(campaign, "R1") for _ in range(8)))
    take(*(told(campaign, "r1") for _ in range(8)))
    take(*(told(campaign, f"G{n}", ip="203.0.113.0") for n in range(150)))

    limited = session.execute(
        "SELECT folded = 'R1', count(*), count(address) FROM bonus_claims"
        " WHERE outcome = 'limited' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert limited == [(False, 50, 0), (True, 6, 0)]


def test_ten_thousand_guesses_deliver_nothing_and_the_buyer_is_served(
    session: Tx, campaign: Made, bonus: Made
) -> None:
    sell(campaign, "K7QXW2", None)
    for start in range(0, 10_000, 2_000):
        take(*(told(campaign, f"GUESS{n}", EVE) for n in range(start, start + 2_000)))
    take(told(campaign, "K7QXW2"))

    match()
    link()
    match()
    link()

    assert counted(session, bonus["id"]) == 1
    row = session.execute("SELECT count(*) FROM orders").fetchone()
    assert row == (1,)


def test_claims_of_a_deleted_user_are_gone_and_of_a_locked_one_wait(
    session: Tx, connect: Connect, campaign: Made
) -> None:
    holder = connect()
    with holder.transaction():
        holder.execute("SELECT FROM users WHERE id = %s FOR UPDATE", (campaign["user_id"],))
        locked = take(told(campaign))
    session.execute("DELETE FROM users")

    gone = take(told(campaign))

    assert locked.counts()["deferred"] == 1
    assert gone.counts()["gone"] == 1
    assert outcomes(session) == []


def test_followed_links_are_counted(session: Tx, campaign: Made, bonus: Made) -> None:
    sell(campaign)
    link()
    row = session.execute("SELECT id FROM bonus_deliveries").fetchone()
    assert row is not None
    usual: Any = {"type": "download", "door": "b"}
    clicks = [
        items.item(campaign["user_id"], campaign["id"], **usual, meta={"delivery": number})
        for number in (row[0], row[0], row[0] + 1)
    ]
    odd = items.item(campaign["user_id"], campaign["id"], **usual)

    outcome = take(*clicks, odd)

    assert session.execute("SELECT count(*) FROM bonus_downloads").fetchone() == (2,)
    assert outcome.counts()["dead"] == 1
    assert sum(outcome.ended().values()) == 3


def test_links_are_issued_many_at_a_time(session: Tx, campaign: Made, bonus: Made) -> None:
    for number in range(30):
        sell(campaign, f"R{number}", f"buyer{number}@example.com")

    link()
    link()

    assert states(session) == [("done", "delivered")] * 30
    assert counted(session, bonus["id"]) == 30
    digests = session.execute(
        "SELECT count(DISTINCT address_digest), count(address) FROM bonus_deliveries"
    ).fetchone()
    assert digests == (30, 0)


def test_nothing_is_claimed_once_told_to_stop(
    session: Tx, campaign: Made, bonus: Made, told_to_stop: None
) -> None:
    sell(campaign)
    take(told(campaign))

    match()
    link()
    mailing.wake()
    until(lambda: mailing._thread is None, 10, "mailing has ended")

    assert states(session) == [("pending", None)]
    assert outcomes(session) == [("pending", None)]
