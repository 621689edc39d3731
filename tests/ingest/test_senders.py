"""Who may report payments, and what an answer to them promises."""

from typing import Any

import pytest

from base.ids import uuid7_hex
from journal.streams import Kind
from tests import make
from tests.conftest import Connect
from tests.ingest.door import Door
from tests.ingest.network import Network, signed
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


@pytest.fixture
def keyed(door: Door, connect: Connect, user: dict[str, Any]) -> Network:
    """A network that signs."""
    return Network(door, connect(), user["id"], secrets={"hmac": "s3cret"}, hmac={"param": "sig"})


def test_a_signed_report_is_taken(keyed: Network) -> None:
    query = "order_id=A%201&amount=5"
    got = keyed.door.get(keyed.target(f"{query}&sig={signed(query, 's3cret')}"))
    body = b'{"order_id":"B"}'
    posted = keyed.door.post(keyed.target(f"sig={signed('', 's3cret', body)}"), body)
    form = b"order_id=C&sig=%b" % signed("x=1", "s3cret", b"order_id=C").upper().encode()
    in_form = keyed.door.post(keyed.target("x=1"), form)

    assert (got.status, posted.status, in_form.status) == (200, 200, 200)
    assert [item["receipt"] for item in items()] == ["A 1", "B", "C"]


def test_a_report_that_is_not_signed_right_is_refused(keyed: Network) -> None:
    query = "order_id=A&amount=5"
    good = signed(query, "s3cret")
    forged = [
        query, f"{query}&sig=", f"{query}&sig={signed(query, '')}", f"{query}&sig={good[:-1]}",
        f"{query}0&sig={good}", f"{query}&amount=5&sig={good}", f"{query}&sig={good}&sig={good}",
        f"{query}&sig={good}&SIG=0", f"{query}&sig=%C3%A9", f"{query}&sig={'0' * 3000}",
        f"{query}&sig={signed(query, 's3cret', algorithm='sha1')}", f"{query}&sig={good}%0A",
    ]  # fmt: skip

    answers = [keyed.door.get(keyed.target(one)) for one in forged]
    body = keyed.door.post(keyed.target(f"{query}&sig={good}"), b"amount=5")

    assert {one.status for one in [*answers, body]} == {403}
    assert "s3cret" not in str(answers)
    assert items() == []


def test_a_lock_without_its_secret_stays_shut(
    door: Door, connect: Connect, user: dict[str, Any]
) -> None:
    network = Network(door, connect(), user["id"], hmac={})
    query = "order_id=A"

    answer = door.get(network.target(f"{query}&signature={signed(query, '')}"))

    assert answer.status == 403


def test_only_listed_senders_may_report(door: Door, connect: Connect, user: dict[str, Any]) -> None:
    here = Network(door, connect(), user["id"], allowed_networks=["127.0.0.0/8"])
    there = Network(door, connect(), user["id"], allowed_networks=["203.0.113.0/24"])

    assert here.get(order_id="A").status == 200
    assert there.get(order_id="B").status == 403
    assert len(items()) == 1


def test_nobody_becomes_a_listed_sender_by_saying_so(
    door: Door, connect: Connect, user: dict[str, Any]
) -> None:
    there = Network(door, connect(), user["id"], allowed_networks=["203.0.113.0/24"])

    said = [
        there.get({"X-Forwarded-For": "203.0.113.7"}, order_id="A"),
        there.get({"Forwarded": "for=203.0.113.7", "X-Real-IP": "203.0.113.7"}, order_id="A"),
    ]

    assert [one.status for one in said] == [403, 403]
    assert items() == []


def test_behind_our_proxy_the_sender_is_who_reached_it(
    journal: str, open_door: Any, connect: Connect
) -> None:
    door = open_door(trusted_proxies="127.0.0.0/8")
    there = Network(
        door, connect(), make.user(connect())["id"], allowed_networks=["203.0.113.0/24"]
    )

    told = there.get({"X-Forwarded-For": "203.0.113.7"}, order_id="A")
    spoofed = there.get({"X-Forwarded-For": "203.0.113.7, 198.51.100.9"}, order_id="B")

    assert (told.status, spoofed.status) == (200, 403)


def test_reports_beyond_a_keys_rate_wait(journal: str, open_door: Any, connect: Connect) -> None:
    door = open_door(limit_key=0.1)
    network = Network(door, connect(), make.user(connect())["id"])

    answers = [network.get(order_id=f"A-{number}") for number in range(4)]

    assert answers[0].status == 200
    assert answers[-1].status == 429
    assert int(answers[-1].headers["retry-after"]) > 0


def test_nobody_reports_for_another_tenant(network: Network, connect: Connect) -> None:
    theirs = make.campaign(connect())

    refused = network.get(order_id="A", tracking_id=theirs["tracking_id"])
    unknown = network.get(order_id="A", tracking_id="never-was")
    kept = network.get(order_id="A", click_id=CLICK, user=str(theirs["user_id"]))

    (item,) = items()
    assert (refused.status, refused.body) == (400, unknown.body)
    assert (kept.status, item["user"]) == (200, network.user_id)


# --- what an answer promises


def test_a_report_that_is_on_no_disk_is_to_be_sent_again(
    journal: str, open_door: Any, connect: Connect
) -> None:
    door = open_door(journal_url="redis://127.0.0.1:1/0", spool_max_bytes=1)
    network = Network(door, connect(), make.user(connect())["id"])

    answer = network.get(order_id="A")

    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "x-click-id" not in answer.headers


def test_a_report_is_taken_while_the_journal_is_away(
    journal: str, open_door: Any, connect: Connect
) -> None:
    door = open_door(journal_url="redis://127.0.0.1:1/0")
    network = Network(door, connect(), make.user(connect())["id"])

    answer = network.get(order_id="A")

    assert answer.status == 200
    assert door.base.recorder.spool_bytes > 0
