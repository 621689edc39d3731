"""`POST /v1/events`: whose key it is, and a verdict for every item."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from base.clock import wall_ms
from base.ids import ms_of, uuid7_hex
from base.sealing import unseal
from db import keys as db_keys
from journal.streams import Kind
from tests import make
from tests.conftest import Connect
from tests.ingest.door import Door
from tests.ingest.talking import Answer
from tests.journal import putting


class Developer:
    """A user with a key and a campaign."""

    def __init__(self, connect: Connect, scopes: tuple[str, ...] = ("events:write",), **user: Any):
        session = connect()
        self.user = make.user(session, **user)
        self.key_id, self.key = db_keys.add(session, self.user["id"], "server", scopes)
        self.link = make.campaign(session, user_id=self.user["id"])
        self.tracking_id: str = self.link["tracking_id"]

    def click(self, **more: Any) -> dict[str, Any]:
        """The smallest item."""
        return {"type": "click", "tracking_id": self.tracking_id} | more


@pytest.fixture
def dev(door: Door, connect: Connect) -> Developer:
    """A developer the door does not know yet."""
    return Developer(connect)


def post(door: Door, key: str, body: Any, **headers: str) -> Answer:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return door.post("/v1/events", data, authorization=f"Bearer {key}", **headers)


def verdicts(answer: Answer) -> list[tuple[int, str]]:
    results = orjson.loads(answer.body)["results"]
    assert [one["index"] for one in results] == list(range(len(results)))
    return [(one["index"], one["status"]) for one in results]


def test_one_object_is_one_verdict(door: Door, dev: Developer) -> None:
    answer = post(door, dev.key, dev.click(sub1="x", source="srv", metadata={"plan": "pro"}))

    (item,) = putting.items()
    assert answer.status == 202
    assert orjson.loads(answer.body) == {
        "results": [{"index": 0, "status": "accepted", "click_id": item["id"]}]
    }
    assert (item["user"], item["campaign"]) == (str(dev.user["id"]), str(dev.link["id"]))
    assert (item["meta"]["sub1"], item["meta"]["plan"], item["source"]) == ("x", "pro", "srv")


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("https://u:p@page.example/a?email=ann@example.com#b", "https://page.example/a"),
        ("page.example/?email=ann@example.com", None),
        ("", None),
        (None, None),
    ],
)
def test_a_told_referrer_is_kept_without_what_may_be_secret_in_it(
    door: Door, dev: Developer, told: str | None, kept: str | None
) -> None:
    post(door, dev.key, dev.click(metadata={"referrer": told}))

    (item,) = putting.items()
    assert item["meta"].get("referrer") == kept
    assert "ann" not in orjson.dumps(item).decode()


def test_good_items_are_kept_bad_ones_are_told_why(door: Door, dev: Developer) -> None:
    answer = post(
        door, dev.key,
        [dev.click(), {"type": "clack"}, 5, dev.click(amount="1.00"), dev.click(more=1),
         dev.click()],
    )  # fmt: skip

    results = orjson.loads(answer.body)["results"]
    assert answer.status == 202
    assert [one["status"] for one in results] == [
        "accepted", "refused", "refused", "refused", "refused", "accepted",
    ]  # fmt: skip
    assert all(one["reason"] for one in results if one["status"] == "refused")
    assert [item["id"] for item in putting.items()] == [
        results[0]["click_id"],
        results[5]["click_id"],
    ]


def test_no_good_item_is_400_with_the_verdicts(door: Door, dev: Developer) -> None:
    answer = post(door, dev.key, [{"type": "clack"}, {}])

    assert answer.status == 400
    assert verdicts(answer) == [(0, "refused"), (1, "refused")]
    assert putting.items() == []


def test_kinds_of_one_request_go_in_one_step_each_to_its_stream(door: Door, dev: Developer) -> None:
    sale = {"type": "conversion", "tracking_id": dev.tracking_id, "amount": "9.99",
            "order_id": "o1", "event_id": "e1"}  # fmt: skip

    answer = post(door, dev.key, [dev.click(), sale, dev.click(type="view"), sale])

    assert answer.status == 202
    assert [item["type"] for item in putting.items()] == ["click", "view"]
    sold = putting.items(Kind.CONVERSIONS)
    assert [(one["amount"], one["event_id"], one["meta"]["order_id"]) for one in sold] == [
        ("9.99", "e1", "o1")
    ] * 2
    assert [len(putting.batches(kind)) for kind in (Kind.CLICKS, Kind.CONVERSIONS)] == [1, 1]


def test_lines_are_items_and_a_broken_one_harms_no_other(door: Door, dev: Developer) -> None:
    line = orjson.dumps(dev.click())

    answer = post(
        door, dev.key, line + b"\n{broken\n\n" + line, content_type="application/x-ndjson"
    )

    assert verdicts(answer) == [(0, "accepted"), (1, "refused"), (2, "accepted")]


def test_a_thousand_items_pass_and_one_more_does_not(door: Door, dev: Developer) -> None:
    assert post(door, dev.key, [dev.click()] * 1_000).status == 202
    assert post(door, dev.key, [dev.click()] * 1_001).status == 400
    assert len(putting.items()) == 1_000


@pytest.mark.parametrize("body", [b"[]", b" ", b"nonsense", b"5", b"\xef\xbb\xbf{}", b"[" * 5_000])
def test_a_body_without_items_is_one_sentence(door: Door, dev: Developer, body: bytes) -> None:
    answer = post(door, dev.key, body)

    assert answer.status == 400
    assert orjson.loads(answer.body)["error"].endswith(".")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer hf_wrong"},
        {"Authorization": "Basic aGY6aGY="},
        {"Authorization": "Bearer " + "x" * 300},
        {"X-Api-Key": "hf_\xff\xfe"},
        {"X-Api-Key": ""},
    ],
)
def test_without_a_valid_key_nothing_is_looked_at(
    door: Door, dev: Developer, headers: dict[str, str]
) -> None:
    answer = door.ask("POST", "/v1/events", headers, orjson.dumps(dev.click()))

    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert putting.items() == []


@pytest.mark.parametrize("style", ["Bearer {}", "bearer {}", "BEARER  {} "])
def test_a_key_may_be_sent_in_both_usual_ways(door: Door, dev: Developer, style: str) -> None:
    body = orjson.dumps(dev.click())

    first = door.post("/v1/events", body, authorization=style.format(dev.key))
    second = door.post("/v1/events", body, x_api_key=dev.key)

    assert (first.status, second.status) == (202, 202)


def test_a_key_for_reports_may_not_write(door: Door, connect: Connect) -> None:
    reader = Developer(connect, scopes=("reports:read",))

    answer = post(door, reader.key, reader.click())

    assert answer.status == 403
    assert "events:write" in orjson.loads(answer.body)["error"]


def test_a_revoked_key_is_refused_within_two_seconds(
    door: Door, connect: Connect, dev: Developer
) -> None:
    assert post(door, dev.key, dev.click()).status == 202

    db_keys.revoke(connect(), dev.key_id)

    door.until(lambda: dev.key not in str(door.base.keys.entries) and not door.base.keys.entries, 2)
    assert post(door, dev.key, dev.click()).status == 401


@pytest.mark.parametrize("status", ["suspended", "canceled"])
def test_an_account_that_may_not_is_403(door: Door, connect: Connect, status: str) -> None:
    dev = Developer(connect, status=status)

    answer = post(door, dev.key, dev.click())

    assert answer.status == 403
    assert status in orjson.loads(answer.body)["error"]
    assert putting.items() == []


def test_another_tenants_campaign_looks_like_none(
    door: Door, connect: Connect, dev: Developer
) -> None:
    other = Developer(connect)

    theirs = post(door, dev.key, dev.click(tracking_id=other.tracking_id))
    nobodys = post(door, dev.key, dev.click(tracking_id="nobody"))

    assert theirs.status == nobodys.status == 400
    assert theirs.body == nobodys.body
    assert putting.items() == []


def test_a_draft_takes_no_events_a_paused_campaign_does(door: Door, connect: Connect) -> None:
    session = connect()
    dev = Developer(connect)
    draft = make.campaign(session, user_id=dev.user["id"], status="draft")
    paused = make.campaign(session, user_id=dev.user["id"], status="paused")

    answer = post(
        door, dev.key,
        [dev.click(tracking_id=draft["tracking_id"]), dev.click(tracking_id=paused["tracking_id"])],
    )  # fmt: skip

    assert verdicts(answer) == [(0, "refused"), (1, "accepted")]
    assert putting.items()[0]["meta"]["campaign_status"] == "paused"


def test_an_item_may_name_its_click_instead_of_a_campaign(door: Door, dev: Developer) -> None:
    click = uuid7_hex(wall_ms() - 5_000)

    answer = post(door, dev.key, {"type": "conversion", "click_id": click, "amount": "1.00"})

    (item,) = putting.items(Kind.CONVERSIONS)
    assert orjson.loads(answer.body)["results"][0]["click_id"] == click
    assert (item["click"], "campaign" in item) == (click, False)
    assert item["id"] != click


@pytest.mark.parametrize(
    ("ago", "kept"),
    [
        (timedelta(days=89), True),
        (timedelta(minutes=-4), True),
        (timedelta(days=91), False),
        (timedelta(minutes=-6), False),
        (timedelta(days=-3650), False),
    ],
)
def test_a_senders_time_counts_from_90_days_back_to_5_minutes_ahead(
    door: Door, dev: Developer, ago: timedelta, kept: bool
) -> None:
    when = (datetime.now(UTC) - ago).replace(microsecond=0)
    text = when.isoformat().replace("+00:00", "Z")

    post(door, dev.key, dev.click(occurred_at=text))

    (item,) = putting.items()
    arrived = abs(ms_of(item["id"]) - wall_ms()) < 60_000
    assert (ms_of(item["id"]) == when.timestamp() * 1000) == kept
    assert arrived != kept or abs(ago) < timedelta(minutes=6)
    assert item["meta"].get("occurred_at") == (None if kept else text)
    assert item["meta"]["received_at"].endswith("Z")


def test_an_address_in_the_metadata_is_cut_before_it_is_kept(door: Door, dev: Developer) -> None:
    post(door, dev.key, dev.click(metadata={"ip": "203.0.113.77", "ua": "Mozilla/5.0"}))

    (item,) = putting.items()
    assert item["meta"]["ip"] == "203.0.113.0"
    assert len(item["meta"]["visitor"]) == 32


@pytest.mark.parametrize(
    "more",
    [
        {"source": "\ud800"},
        {"sub1": "\x00"},
        {"event_id": "\x00"},
        {"tracking_id": "\ud800"},
        {"metadata": {"\ud800": 1}},
        {"metadata": {"a": "\x00"}},
        {"metadata": {"a": [[{"b": "\udfff"}]]}},
        {"metadata": {"click_id": "forged"}},
    ],
)
def test_what_no_table_can_hold_is_refused_by_item(
    door: Door, dev: Developer, more: dict[str, Any]
) -> None:
    body = json.dumps([dev.click(**more), dev.click()]).encode()

    answer = post(door, dev.key, body)

    assert verdicts(answer) == [(0, "refused"), (1, "accepted")]
    assert len(putting.items()) == 1


def test_a_large_body_is_refused_by_its_size(door: Door, dev: Developer) -> None:
    item = orjson.dumps(dev.click())

    assert post(door, dev.key, b" " * (512 * 1024 - len(item)) + item).status == 202
    assert post(door, dev.key, b" " * (512 * 1024 + 1)).status == 413


def test_a_compressed_body_is_refused(door: Door, dev: Developer) -> None:
    assert post(door, dev.key, dev.click(), content_encoding="gzip").status == 415


def test_a_buyers_address_is_sealed_and_the_order_is_the_receipt(
    door: Door, dev: Developer
) -> None:
    sale = {"type": "conversion", "tracking_id": dev.tracking_id, "order_id": "o1",
            "email": "ada@example.com"}  # fmt: skip

    answer = post(door, dev.key, [sale])

    (item,) = putting.items(Kind.CONVERSIONS)
    assert answer.status == 202
    assert "ada" not in orjson.dumps(item).decode()
    assert unseal(base64.b64decode(item["buyer"]), door.settings) == b"ada@example.com"
    assert item["receipt"] == "o1"
