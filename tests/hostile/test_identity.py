"""Items 41-50: who somebody is, and what of others he can reach."""

import hashlib
from typing import Any

import orjson
import redis

from base.clock import steady
from db import keys, users
from ingest_api import _DOORS, _PAGES
from tests.hostile.siege import Siege, request, statuses
from workers.on_redis import NAMESPACE
from workers.queues import Queue


def test_item_40_a_huge_or_odd_authorization_is_refused_fast(siege: Siege) -> None:
    good = siege.key["Authorization"].encode()
    body = orjson.dumps(siege.item())
    huge = b"Authorization: Bearer %b\r\n" % (b"x" * 1_000_000)
    values = [
        b"Bearer", b"Bearer ", good[:-1], good + b"0", good.upper(), b"Bearer " + good, b"\xff\xfe",
        b"Bearer hf_\xff\xfe", b"Bearer " + b"hf_" * 4_000, good + b", " + good, b"Basic eDp4",
    ]  # fmt: skip

    assert statuses(siege.say(request(b"POST", b"/v1/events", huge, body)))[:1] == [431]
    for value in values:
        said = siege.say(request(b"POST", b"/v1/events", b"Authorization: %b\r\n" % value, body))
        assert statuses(said) == [401], value
    twice = b"Authorization: %b\r\nAuthorization: %b\r\n" % (good, good)
    assert statuses(siege.say(request(b"POST", b"/v1/events", twice, body))) == [401]


def test_item_41_keys_are_found_by_digest_whatever_bytes_they_hold(siege: Siege) -> None:
    body = orjson.dumps(siege.item())
    for value in (b"\xe9", b"hf_" + b"\xff" * 40, "hf_é".encode(), b"\x80" * 5_000):
        said = siege.say(request(b"POST", b"/v1/events", b"X-Api-Key: %b\r\n" % value, body))

        assert statuses(said) == [401]
    assert not keys.well_formed("hf_é00000000")


# Every route a stranger or another tenant can ask, and what becomes of another tenant's ids there.
# Public routes act for whom the link belongs to, whoever asks.
_TENANCY = {
    (b"r", b"GET"): "public",
    (b"r", b"HEAD"): "public",
    (b"p", b"GET"): "public",
    (b"p", b"HEAD"): "public",
    (b"e", b"POST"): "public",
    (b"e", b"OPTIONS"): "public",
    (b"t", b"GET"): "public",
    (b"t", b"HEAD"): "public",
    (b"b", b"GET"): "the signed link's own delivery alone",
    (b"b", b"HEAD"): "the signed link's own delivery alone",
    (b"b", b"POST"): "public",
    (b"b", b"OPTIONS"): "public",
    (b"postback", b"GET"): "the key's own account alone",
    (b"postback", b"POST"): "the key's own account alone",
    (b"/v1/events", b"POST"): "refused",
    (b"webhooks", b"POST"): "signed by Stripe, or by a key like none",
    (b"hooks", b"POST"): "the signed key's own workflow alone",
    (b"/healthz", b"GET"): "holds no data",
    (b"/healthz", b"HEAD"): "holds no data",
    (b"/readyz", b"GET"): "holds no data",
    (b"/readyz", b"HEAD"): "holds no data",
    (b"/openapi.json", b"GET"): "holds no data",
    (b"/openapi.json", b"HEAD"): "holds no data",
}


def test_item_42_each_route_says_whose_data_it_touches() -> None:
    assert set(_DOORS) | set(_PAGES) <= set(_TENANCY)


def test_item_42_another_tenants_ids_are_like_none(siege: Siege) -> None:
    other = Siege(siege.fleet)
    theirs = siege.item(tracking_id=other.name)

    reasons = siege.refused(theirs, siege.item(tracking_id="nobody"))
    (lent,) = siege.accepted({"type": "conversion", "click_id": other.click().click_id})
    public = siege.ask("GET", f"/r/{other.name}", None, siege.key)
    siege.acked.remove(str(public.click_id))
    other.acked.append(str(public.click_id))

    assert reasons[0] == reasons[1]
    assert siege.row(lent)["meta"].get("orphan")
    campaigns = siege.fleet.sql(
        "SELECT DISTINCT campaign_id FROM analytics_events WHERE user_id = %s", siege.user_id
    )
    assert (other.campaign["id"],) not in campaigns
    other.lift()


def test_item_43_what_lies_in_the_broker_is_never_executed(siege: Siege) -> None:
    siege.expected = "dramatiq"  # which says what it cannot read
    made_up = {"queue_name": "clicks", "actor_name": "os.system", "args": ["exit 1"],
               "kwargs": {}, "options": {}, "message_id": "x", "message_timestamp": 0}  # fmt: skip
    with redis.Redis.from_url(siege.fleet.stores["broker"].url) as broker:
        for lie in (orjson.dumps(made_up), b"cos\nsystem\n(S'exit 1'\ntR."):
            for queue in Queue:
                broker.hset(f"{NAMESPACE}:{queue}.msgs", "lie", lie)
                broker.rpush(f"{NAMESPACE}:{queue}", "lie")
            answer = siege.click()

            assert siege.row(answer.click_id)["type"] == "click"
        for queue in Queue:
            broker.delete(f"{NAMESPACE}:{queue}", f"{NAMESPACE}:{queue}.msgs")


_NOT_HIS: dict[str, Any] = {
    "user": "x", "user_id": "x", "tenant_id": "x", "id": "x", "campaign_id": "x", "status": "x",
    "tier": "agency", "trust": "network", "bot": None, "revenue": "1.00", "created_at": "x",
    "stripe_customer_id": "x", "received_at": "2026-01-01T00:00:00Z", "meta": {}, "event_type": "x",
}  # fmt: skip
_FLEETS_OWN = ("visitor", "trust", "bot", "click_id", "received_at", "duplicate_of", "orphan")


def test_item_45_nobody_assigns_what_is_not_his_to_say(siege: Siege) -> None:
    siege.refused(
        *[siege.item(**{name: value}) for name, value in _NOT_HIS.items()],
        *[siege.item(metadata={name: "x"}) for name in _FLEETS_OWN],
    )
    page = siege.beacon(orjson.dumps({**_NOT_HIS, **dict.fromkeys(_FLEETS_OWN, "evil")}))

    row = siege.row(page.click_id)
    assert row["revenue"] is None
    assert "evil" not in row["meta"].values()


def test_item_46_a_key_is_kept_as_its_digest_and_revoked_within_five_seconds(siege: Siege) -> None:
    plain = siege.key["Authorization"].removeprefix("Bearer ")
    siege.accepted(siege.item())
    row = siege.fleet.sql("SELECT * FROM api_keys WHERE user_id = %s", siege.user_id)[0]
    in_address = siege.ask("POST", f"/v1/events?key={plain}&api_key={plain}", b"{}")

    siege.fleet.sql("UPDATE api_keys SET revoked_at = now() WHERE user_id = %s", siege.user_id)
    began = steady()
    while siege.post(b"{}").status != 401:
        assert steady() - began < 5

    assert len(plain) > 45
    assert hashlib.sha256(plain.encode()).digest() in row
    assert plain not in map(str, row)
    assert in_address.status == 401


def test_item_47_every_byte_of_a_password_counts() -> None:
    for password in ("p" * 73 + "\0q", "p" * 1_000_000):
        hashed = users.password_hash(password)

        assert users.password_matches(password, hashed)
        assert not users.password_matches(password[:-1], hashed)


_ENDLESS = (
    "Mozilla/5.0 " + "(" * 900, "a" * 990 + "!", "Mozilla/5.0 (" + "; " * 480, "\u202e" * 300,
    "Android " * 120, "+https://" * 110, "bot" * 330, "x1." * 330, " " * 999 + "x", "/" * 999,
)  # fmt: skip


def test_item_50_no_user_agent_keeps_a_worker_busy(siege: Siege) -> None:
    acked = [
        siege.click("", {"User-Agent": agent.encode().decode("latin-1")}).click_id
        for agent in _ENDLESS
    ]
    began = steady()
    for click_id in acked:
        assert "ua" in siege.row(click_id)["meta"]

    assert steady() - began < 5
