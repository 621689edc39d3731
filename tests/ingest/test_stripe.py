"""`POST /webhooks/stripe`: signed over the bytes, for us, lately; or refused and not kept."""

import orjson
import pytest

from base.clock import wall_ms
from journal.streams import Kind
from rules.stripe_signature import sign
from schemas import stripe as messages
from tests.ingest.conftest import OpenDoor
from tests.ingest.door import Door
from tests.journal import putting
from tests.stripe_fake import SECRET, Json, Stripe, signed

PATH = "/webhooks/stripe"
OTHER = "whsec_the_other_one"


@pytest.fixture
def door(journal: str, open_door: OpenDoor) -> Door:
    """A door that takes test events, signed with either of two secrets."""
    return open_door(stripe_webhook_secrets=f"{SECRET}, {OTHER}\n", stripe_livemode=False)


@pytest.fixture
def event() -> Json:
    account = Stripe()
    account.subscribe(account.customer()["id"], "active")
    return account.events[0]


def now() -> int:
    return wall_ms() // 1000


def post(door: Door, body: bytes, signature: str) -> int:
    return door.post(PATH, body, stripe_signature=signature).status


def test_a_signed_event_is_on_disk_before_the_answer(door: Door, event: Json) -> None:
    body, headers = signed(event, now())

    answer = door.ask("POST", PATH, headers, body)

    (item,) = putting.items(Kind.WEBHOOKS)
    assert (answer.status, answer.body) == (200, b"")
    assert (item["type"], item["door"], item["event_id"]) == ("stripe", "stripe", event["id"])
    assert item["body"].encode() == body


@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_either_secret_opens_while_one_is_rolled(door: Door, event: Json, secret: str) -> None:
    body, _ = signed(event, now())
    right = sign(body, secret.encode(), now()).decode()
    wrong = right.partition(",")[2][3:]
    both = f"{right.partition(',')[0]},v0=x,v1={'0' * len(wrong)},v1={wrong}"

    assert [post(door, body, right), post(door, body, both)] == [200, 200]


@pytest.mark.parametrize(
    "name",
    ["none", "empty", "forged", "old", "ahead", "a year ahead", "another body", "no time",
     "two times", "time below zero", "time of a million digits", "no signature", "v0 alone",
     "upper case", "base64", "not ascii", "cut", "many", "ten thousand", "long", "empty secret",
     "secret with newline", "scheme in capitals"],
)  # fmt: skip
def test_what_stripe_did_not_sign_lately_is_refused(door: Door, event: Json, name: str) -> None:
    body, _ = signed(event, now())
    at = now()
    right = sign(body, SECRET.encode(), at).decode()
    time, digest = right.split(",")
    attack = {
        "none": None,
        "empty": "",
        "forged": sign(body, b"whsec_guessed", at).decode(),
        "old": sign(body, SECRET.encode(), at - 302).decode(),
        "ahead": sign(body, SECRET.encode(), at + 310).decode(),
        "a year ahead": sign(body, SECRET.encode(), at + 31_536_000).decode(),
        "another body": sign(body + b" ", SECRET.encode(), at).decode(),
        "no time": digest,
        "two times": f"{time},{time},{digest}",
        "time below zero": f"t=-1,{digest}",
        "time of a million digits": f"t={'9' * 1500},{digest}",
        "no signature": time,
        "v0 alone": f"{time},v0={digest[3:]}",
        "upper case": f"{time},v1={digest[3:].upper()}",
        "base64": f"{time},v1=4mE8Hq3m1yDq0dA6aW5rY2U=",
        "not ascii": f"{time},v1={'é' * 64}",
        "cut": right[:-1],
        "many": f"{time}," + ",".join(["v1=" + "0" * 64] * 8) + f",{digest}",
        "ten thousand": f"{time}," + ",".join(["v1=" + "0"] * 3_000) + f",{digest}",
        "long": right + "," + "x" * 4_000,
        "empty secret": sign(body, b"", at).decode(),
        "secret with newline": sign(body, SECRET.encode() + b"\n", at).decode(),
        "scheme in capitals": f"{time},V1={digest[3:]}",
    }[name]
    headers = {} if attack is None else {"Stripe-Signature": attack}

    answer = door.ask("POST", PATH, headers, body)

    assert answer.status == 400
    assert set(orjson.loads(answer.body)) == {"error"}
    assert putting.items(Kind.WEBHOOKS) == []


@pytest.mark.parametrize("seconds", [-299, 0, 299])
def test_clocks_may_differ_by_five_minutes(door: Door, event: Json, seconds: int) -> None:
    body, headers = signed(event, now() + seconds)

    assert post(door, body, headers["Stripe-Signature"]) == 200


@pytest.mark.parametrize("live", [True, False])
def test_where_nothing_says_which_the_secret_alone_tells_whose_event_it_is(
    journal: str, open_door: OpenDoor, event: Json, live: bool
) -> None:
    door = open_door(stripe_webhook_secrets=SECRET)
    body, headers = signed({**event, "livemode": live}, now())

    assert post(door, body, headers["Stripe-Signature"]) == 200


def test_events_for_others_are_refused(door: Door, event: Json) -> None:
    for wrong in ({"livemode": True}, {"account": "acct_1"}):
        body, headers = signed({**event, **wrong}, now())
        answer = door.ask("POST", PATH, headers, body)
        assert answer.status == 400, wrong

    assert putting.items(Kind.WEBHOOKS) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b'{"id":"evt_1"}', b"\xff", b'{"id":"evt_\\ud800"}',
     b'{"id":"evt_1","type":"x","created":1,"livemode":false,"data":{"object":[]}}',
     b'{"id":"evt_\\u0000","type":"x","created":1,"livemode":false,"data":{"object":{}}}',
     b'{"id":"evt_1","type":"x","created":"soon","livemode":false,"data":{"object":{}}}',
     b'{"id":"evt_1","type":"x","created":1e400,"livemode":false,"data":{"object":{}}}',
     b"[" * 100_000],
    ids=range(12),
)  # fmt: skip
def test_signed_rubbish_is_refused_too(door: Door, body: bytes) -> None:
    assert post(door, body, sign(body, SECRET.encode(), now()).decode()) == 400
    assert putting.items(Kind.WEBHOOKS) == []


def test_what_we_do_not_act_on_is_thanked_for_and_not_kept(door: Door, event: Json) -> None:
    body, headers = signed({**event, "type": "invoice.created"}, now())

    assert post(door, body, headers["Stripe-Signature"]) == 200
    assert putting.items(Kind.WEBHOOKS) == []
    assert door.doors.counts["stripe_ignored"] == 1


def test_a_thin_event_is_taken(door: Door, event: Json) -> None:
    body, headers = signed(Stripe().thin(event), now())

    assert post(door, body, headers["Stripe-Signature"]) == 200
    (item,) = putting.items(Kind.WEBHOOKS)
    assert messages.read(item["body"]).type == "customer.subscription.created"


def test_a_body_is_half_a_megabyte_at_most(door: Door, event: Json) -> None:
    large = {**event, "padding": "x" * 400_000}
    body, headers = signed(large, now())
    larger, _ = signed({**event, "padding": "x" * 600_000}, now())

    assert post(door, body, headers["Stripe-Signature"]) == 200
    assert door.ask("POST", PATH, headers, larger).status == 413


def test_without_a_secret_there_is_no_such_door(journal: str, open_door: OpenDoor) -> None:
    body, headers = signed(Stripe().emit("x", {}), now())

    assert open_door().ask("POST", PATH, headers, body).status == 404


def test_other_methods_and_names_are_none(door: Door) -> None:
    assert door.get(PATH).status == 405
    assert door.post("/webhooks/strip", b"").status == 404
