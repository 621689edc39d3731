"""`GET,POST /postback/{key}`: what networks report, in whichever form, and what they may not."""

import base64
from typing import Any

import orjson
import pytest

from base.ids import uuid7_hex
from base.sealing import seal, unseal
from db import integrations
from journal.streams import Kind
from tests import make
from tests.conftest import Connect
from tests.ingest.door import Door
from tests.ingest.network import Network
from tests.journal import putting

CLICK = uuid7_hex(1_795_365_000_000)


def items() -> list[dict[str, Any]]:
    return [dict(item) for item in putting.items(Kind.CONVERSIONS)]


@pytest.fixture
def user(door: Door, connect: Connect) -> dict[str, Any]:
    return make.user(connect())


@pytest.fixture
def network(door: Door, connect: Connect, user: dict[str, Any]) -> Network:
    """A network as it is when nothing was set."""
    return Network(door, connect(), user["id"])


def test_a_report_is_kept_and_answered(network: Network) -> None:
    answer = network.get(click_id=CLICK, order_id="A-1", amount="12.50", currency="eur", sub3="x")

    (item,) = items()
    assert (answer.status, answer.body) == (200, b"OK")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-click-id"] == CLICK
    assert (item["type"], item["door"], item["user"]) == ("conversion", "postback", network.user_id)
    assert (item["integration"], item["receipt"]) == (network.id, "A-1")
    assert (item["click"], item["amount"], item["currency"]) == (CLICK, "12.50", "EUR")
    assert item["meta"]["sub3"] == "x"
    assert {"state", "campaign", "duplicates"}.isdisjoint(item)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"order_id=A%201&amount=5.00", "application/x-www-form-urlencoded"),
        (b'{"order_id":"A 1","amount":"5.00","status":null}', "application/json"),
        (b'{"order_id":"A 1","amount":5.0}', "text/plain"),
    ],
    ids=["form", "json", "number"],
)
def test_a_report_may_be_posted(network: Network, body: bytes, kind: str) -> None:
    answer = network.door.post(network.target(f"click_id={CLICK}"), body, content_type=kind)

    (item,) = items()
    assert answer.status == 200
    assert (item["receipt"], float(item["amount"]), item["click"]) == ("A 1", 5.0, CLICK)


_WORDS: list[tuple[dict[str, str], tuple[str | None, ...]]] = [
    ({"status": "Approved"}, ("conversion", None, None)),
    ({"status": "pending"}, ("conversion", "pending", None)),
    ({"status": "on hold", "type": "sale"}, ("conversion", "pending", None)),
    ({"status": "declined", "reason": "fraud"}, ("conversion", "rejected", "fraud")),
    ({"type": "rebill"}, ("rebill", None, None)),
    ({"type": "rebill", "status": "pending"}, ("rebill", "pending", None)),
    ({"type": "refund", "status": "approved"}, ("refund", None, "refund")),
    ({"status": "chargeback"}, ("refund", "chargeback", "chargeback")),
]


def test_words_say_what_became_of_a_payment(network: Network) -> None:
    for told, _ in _WORDS:
        assert network.get(order_id="A-1", amount="5", **told).status == 200

    said = [(item["type"], item.get("state"), item.get("reason")) for item in items()]
    assert said == [wanted for _, wanted in _WORDS]


def test_own_templates_answers_and_policies_hold(
    door: Door, connect: Connect, user: dict[str, Any]
) -> None:
    network = Network(
        door, connect(), user["id"], params={"amount": ["SUM"], "order_id": ["tx"]},
        statuses={"Ready!": "pending"}, amount_unit="cents", currency="GBP", duplicates="update",
        answer="[ok]", answer_type="application/json",
    )  # fmt: skip

    answer = network.get(tx="7", sum="1250", status="ready!")

    (item,) = items()
    assert (answer.body, answer.headers["content-type"]) == (b"[ok]", "application/json")
    assert (item["amount"], item["currency"], item["state"]) == ("12.50", "GBP", "pending")
    assert (item["receipt"], item["duplicates"]) == ("7", "update")


def test_a_campaigns_key_names_the_campaign(
    door: Door, connect: Connect, user: dict[str, Any]
) -> None:
    mine = make.campaign(connect(), user_id=user["id"])
    other = make.campaign(connect(), user_id=user["id"])
    network = Network(door, connect(), user["id"], campaign_id=mine["id"])

    network.get(order_id="A")
    network.get(order_id="B", tracking_id=other["tracking_id"])

    assert [item["campaign"] for item in items()] == [str(mine["id"]), str(other["id"])]


def test_a_clickbank_key_takes_clickbanks_postbacks(
    door: Door, connect: Connect, user: dict[str, Any]
) -> None:
    network = Network(door, connect(), user["id"], "clickbank", secrets={"secret": "S"})
    spelt = f"{CLICK[:8]}-{CLICK[8:12]}-{CLICK[12:]}".upper()

    looked = network.get(event_type="order form impression", receipt_id="", tid=spelt)
    bought = network.get(
        event_type="initial_purchase", receipt_id="QX7PLM2E", amount="41.37", tid=spelt,
        role="AFFILIATE", click_id="their-own",
    )  # fmt: skip

    (item,) = items()
    assert (looked.status, "x-click-id" in looked.headers, bought.status) == (200, False, 200)
    assert (item["receipt"], item["click"], item["role"]) == ("QX7PLM2E", CLICK, "AFFILIATE")


def test_a_buyers_address_is_sealed_before_it_is_kept(network: Network) -> None:
    network.get(order_id="A-1", email="ada@example.com")

    (item,) = items()
    assert "ada" not in orjson.dumps(item).decode()
    opened = unseal(base64.b64decode(item["buyer"]), network.door.settings)
    assert opened == b"ada@example.com"


def test_a_networks_time_counts_within_ninety_days(network: Network) -> None:
    now_ms = network.door.base.clock.ms()
    told = (now_ms // 1000 - 3600, 1_000_000_000)

    for number, seconds in enumerate(told):
        network.get(order_id=f"A-{number}", timestamp=str(seconds))
    network.get(order_id="A-9", timestamp="2026-01-31 12:00:00")

    recent, old, vague = items()
    assert int(recent["id"][:12], 16) == told[0] * 1000
    assert int(old["id"][:12], 16) >= now_ms
    assert old["meta"]["occurred_at"] == "2001-09-09T01:46:40Z"
    assert vague["meta"]["occurred_at_refused"] == "2026-01-31 12:00:00"


_NOT_MONEY = [
    "NaN", "Infinity", "-Infinity", "1e999", "1e2", "99999999.995", "100000000", "-0.01", "0.001",
    "1,234.56", "12 ", "\uff11\uff12", "1_0", "+1", "0x10", ".5", "5.", "12.50\0", "9" * 5_000,
    "{payout}", "12.505",
]  # fmt: skip


def test_what_is_no_amount_is_refused_and_kept_nowhere(network: Network) -> None:
    for amount in _NOT_MONEY:
        answer = network.get(order_id="A-1", amount=amount)

        assert answer.status == 400, amount
        assert "amount" in orjson.loads(answer.body)["error"]
    assert items() == []


def test_exact_amounts_that_fit_are_taken(network: Network) -> None:
    amounts = ["99999999.99", "0", "12.5000", "0.00"]

    said = {network.get(order_id="A-1", amount=amount).status for amount in amounts}

    assert said == {200}
    assert [item["amount"] for item in items()] == ["99999999.99", "0", "12.50", "0.00"]


_NO_REPORTS = [
    ("", "names no payment"),
    ("amount=5", "names no payment"),
    ("click_id=nonsense", "names no payment"),
    ("order_id=%7Btxid%7D", "did not fill in"),
    ("order_id=A&status=maybe", "no word this integration knows"),
    ("order_id=A&currency=dollars", "no code of three letters"),
    ("order_id=A&currency=%EF%BC%B5SD", "no code of three letters"),
    ("order_id=A%00B", "printable"),
    ("order_id=" + "x" * 256, "printable"),
    ("order_id=%FF", "UTF-8"),
    ("order_id=A&amount=5&amount=500", "told twice"),
    ("order_id=A&Order_ID=B", "told twice"),
    ("&".join(f"p{n}={n}" for n in range(101)), "more than 100"),
    ("order_id=A&tracking_id=nobody", "no campaign"),
]


def test_what_makes_no_sense_is_told(network: Network) -> None:
    for query, sentence in _NO_REPORTS:
        answer = network.door.get(network.target(query))

        assert answer.status == 400, query
        assert sentence in orjson.loads(answer.body)["error"]
    assert items() == []


def test_query_and_body_may_repeat_but_not_contradict_each_other(network: Network) -> None:
    target = network.target("order_id=A&amount=5")

    same = network.door.post(target, b"amount=5&order_id=A")
    other = network.door.post(target, b"amount=500")
    json = network.door.post(target, b'{"amount":"500"}')

    assert (same.status, other.status, json.status) == (200, 400, 400)
    assert len(items()) == 1


def test_a_body_that_is_no_report_is_refused(network: Network) -> None:
    bodies = [
        b"[]", b"{", b'"x"', b"\xff\xfe{", b'{"order_id":"\\ud800"}', b'{"order_id":[1]}', b"--x",
    ]  # fmt: skip

    said = [
        network.door.post(network.target(), body, content_type="application/json").status
        for body in bodies
    ]

    assert said == [400] * len(bodies)
    assert items() == []


def test_large_and_packed_bodies_are_refused(network: Network) -> None:
    large = network.door.post(network.target(), b"a=" + b"x" * 65_536)
    packed = network.door.post(network.target(), b"order_id=A", content_encoding="gzip")

    assert (large.status, packed.status) == (413, 415)


def test_an_unknown_a_mistyped_and_a_disabled_key_are_one_answer(
    network: Network, connect: Connect
) -> None:
    network.get(order_id="A")
    with connect() as tx:
        integrations.disable(tx, network.id)
    network.door.until(lambda: network.is_forgotten(network.key), 2)

    asked = [f"/postback/{key}?order_id=C" for key in (network.key, integrations.mint(), "x" * 40)]
    answers = [network.door.get(target) for target in asked]

    assert {(one.status, one.body) for one in answers} == {(404, answers[0].body)}


def test_a_rotated_key_stops_within_two_seconds(network: Network, connect: Connect) -> None:
    network.get(order_id="A")
    old, network.key = network.key, integrations.mint()
    with connect() as tx:
        sealed = seal(orjson.dumps({"key": network.key}), network.door.settings)
        integrations.rotate(tx, network.id, network.key, sealed)

    network.door.until(lambda: network.is_forgotten(old), 2)

    assert network.door.get(f"/postback/{old}?order_id=B").status == 404
    assert network.get(order_id="B").status == 200
