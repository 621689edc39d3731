"""Rate limits: floods are marked, then not kept; visitors and neighbours do not notice."""

import ipaddress
from typing import Any

import orjson
import pytest

from base.settings import Settings
from db import keys as db_keys
from ingest.limits import BEYOND_SHARE, BURST, DROP_NETWORK, DROP_TENANT, Limits, Meter
from journal.streams import Kind
from tests import make
from tests.conftest import Connect
from tests.ingest.conftest import OpenDoor
from tests.ingest.door import Door
from tests.journal import putting

FLOOD, OTHER = "198.51.100.7", "203.0.113.9"
PROXY = (ipaddress.ip_network("127.0.0.0/8"),)


def limits(**chosen: float) -> Limits:
    unlimited = dict.fromkeys(
        ("limit_network_burst", "limit_network", "limit_tenant_share", "limit_tenant", "limit_key"),
        0.0,
    )
    return Limits(Settings(**(unlimited | chosen)))  # type: ignore[arg-type]


# --- meters


def test_a_meter_allows_ten_seconds_at_once_and_its_rate_afterwards() -> None:
    meter = Meter(5)

    at_once = [meter.allows("a", 100.0) for _ in range(60)].count(True)
    a_second_later = [meter.allows("a", 101.0) for _ in range(60)].count(True)
    after_a_rest = [meter.allows("a", 200.0) for _ in range(60)].count(True)

    assert 50 <= at_once <= 51
    assert 4 <= a_second_later <= 6
    assert 50 <= after_a_rest <= 51


def test_a_flood_of_keys_is_forgotten_and_a_key_in_use_is_not() -> None:
    meter = Meter(1, room=100)

    for number in range(10_000):
        meter.add(f"random {number}", 1, 0.0)
        ahead = meter.add("busy", 1, 0.0, most_seconds=20)
        assert len(meter) <= 101

    assert ahead == 20


# --- verdicts


def test_a_network_is_marked_first_and_dropped_far_later() -> None:
    ours = limits(limit_network_burst=1, limit_network=5)

    verdicts = [ours.visit("198.51.100.0", "u") for _ in range(100)]

    assert verdicts[:9] == [0] * 9
    assert set(verdicts[11:58]) == {BURST}
    assert set(verdicts[64:]) == {DROP_NETWORK}
    assert ours.visit("203.0.113.0", "u") == 0


@pytest.mark.parametrize(
    "network", ["127.0.0.0", "10.1.2.0", "172.20.0.0", "192.168.1.0", "fd00:1:2::", "::", ""]
)
def test_a_network_that_is_no_visitors_is_never_limited(network: str) -> None:
    ours = limits(limit_network_burst=1, limit_network=1)

    assert {ours.visit(network, "u") for _ in range(1_000)} == {0}


def test_the_network_of_a_trusted_proxy_is_never_limited() -> None:
    proxy = (ipaddress.ip_network("198.51.100.77/32"),)
    ours = Limits(Settings(trusted_proxies=proxy, limit_network_burst=1, limit_network=1))

    assert {ours.visit("198.51.100.0", "u") for _ in range(1_000)} == {0}


def test_a_tenant_is_dropped_beyond_its_own_limit_and_others_are_not() -> None:
    ours = limits(limit_tenant=2)

    verdicts = [ours.visit("198.51.100.0", "flooded") for _ in range(100)]

    assert verdicts[:19] == [0] * 19
    assert set(verdicts[25:]) == {DROP_TENANT}
    assert ours.visit("198.51.100.0", "other") == 0


def test_beyond_its_share_a_tenant_waits_apart_until_it_is_beyond_its_limit() -> None:
    ours = limits(limit_tenant_share=1, limit_tenant=5)

    verdicts = [ours.visit("198.51.100.0", "flooded") for _ in range(100)]

    assert verdicts[:9] == [0] * 9
    assert set(verdicts[11:58]) == {BEYOND_SHARE}
    assert set(verdicts[64:]) == {DROP_TENANT}
    assert ours.visit("198.51.100.0", "other") == 0


def test_a_tenant_is_not_dropped_for_what_comes_from_no_visitor() -> None:
    ours = limits(limit_tenant_share=1, limit_tenant=5)

    assert {ours.visit("127.0.0.0", "u") for _ in range(1_000)} == {0, BEYOND_SHARE}


def test_without_limits_nothing_is_dropped_or_marked() -> None:
    ours = limits()

    assert {ours.visit("198.51.100.0", "u") for _ in range(100_000)} == {0}
    assert ours.wait_seconds("key", "u") == 0


def test_one_limit_alone_drops_without_marking() -> None:
    ours = limits(limit_network=1)

    assert {ours.visit("198.51.100.0", "u") for _ in range(100)} == {0, DROP_NETWORK}


# --- doors


@pytest.fixture
def link(connect: Connect) -> dict[str, Any]:
    return make.campaign(connect(), affiliate_link="https://shop.example/?c={click_id}")


def metas(kind: Kind = Kind.CLICKS) -> list[dict[str, Any]]:
    return [item["meta"] for item in putting.items(kind)]


def test_a_burst_is_stored_as_no_persons_and_its_neighbour_as_usual(
    journal: str, open_door: OpenDoor, link: dict[str, Any]
) -> None:
    door = open_door(limit_network_burst=1, trusted_proxies=PROXY)
    path = f"/r/{link['tracking_id']}"

    flood = [door.get(path, x_forwarded_for=FLOOD) for _ in range(30)]
    pixel = door.get(f"/p/{link['tracking_id']}.gif", x_forwarded_for=FLOOD)
    sale = door.get(f"/p/{link['tracking_id']}.gif?event=conversion", x_forwarded_for=FLOOD)
    other = door.get(path, x_forwarded_for=OTHER)

    assert {answer.status for answer in (*flood, other)} == {302}
    assert all("x-click-id" in answer.headers for answer in (*flood, pixel, sale, other))
    marked = ["bot" in meta for meta in metas()]
    assert marked[:9] == [False] * 9
    assert marked[14:31] == [True] * 17
    assert marked[31:] == [False]
    assert {meta.get("bot") for meta in metas()} == {None, "burst"}
    assert "bot" not in metas(Kind.CONVERSIONS)[0]


@pytest.mark.parametrize("limit", ["limit_network", "limit_tenant"])
def test_beyond_a_limit_visitors_are_answered_and_pages_told_to_wait(
    journal: str, open_door: OpenDoor, connect: Connect, link: dict[str, Any], limit: str
) -> None:
    door = open_door(**{limit: 1}, trusted_proxies=PROXY)
    other = make.campaign(connect())
    name = link["tracking_id"]
    for _ in range(20):
        last = door.get(f"/r/{name}", x_forwarded_for=FLOOD)

    gif = door.get(f"/p/{name}.gif", x_forwarded_for=FLOOD)
    beacon = door.post(f"/e/{name}", b"{}", x_forwarded_for=FLOOD, origin="https://p.example")
    sound = door.get(f"/r/{other['tracking_id']}", x_forwarded_for=OTHER)

    assert (last.status, last.headers["location"]) == (302, "https://shop.example/?c=")
    assert (gif.status, gif.headers["content-type"]) == (200, "image/gif")
    assert "x-click-id" not in last.headers | gif.headers
    assert beacon.status == 429
    assert int(beacon.headers["retry-after"]) >= 1
    assert beacon.headers["access-control-allow-origin"] == "https://p.example"
    assert "x-click-id" in sound.headers
    reason = "rate_limited_prefix" if limit == "limit_network" else "rate_limited_tenant"
    stored = len(putting.items())
    assert 10 <= stored < 20
    assert door.base.recorder.dropped[reason] == 23 - stored


def test_who_sends_no_signals_is_limited_as_others_are(
    journal: str, open_door: OpenDoor, link: dict[str, Any]
) -> None:
    door = open_door(limit_network_burst=1, trusted_proxies=PROXY, respect_gpc=True)

    for _ in range(20):
        door.get(f"/r/{link['tracking_id']}", x_forwarded_for=FLOOD, dnt="1")

    assert metas()[-1]["bot"] == "burst"
    assert not any("ip" in meta for meta in metas())


# --- servers


def key_of(connect: Connect, link: dict[str, Any]) -> dict[str, str]:
    return {"x_api_key": db_keys.add(connect(), link["user_id"], "server")[1]}


def post(door: Door, link: dict[str, Any], key: dict[str, str], count: int) -> Any:
    item = {"type": "click", "tracking_id": link["tracking_id"]}
    return door.post("/v1/events", orjson.dumps([item] * count), **key)


@pytest.mark.parametrize("limit", ["limit_key", "limit_tenant"])
def test_a_server_beyond_its_limit_is_told_when_to_come_back(
    journal: str, open_door: OpenDoor, connect: Connect, link: dict[str, Any], limit: str
) -> None:
    door = open_door(**{limit: 10})
    key, second = key_of(connect, link), key_of(connect, link)
    stranger = make.campaign(connect())

    first = post(door, link, key, 300)
    refused = post(door, link, key, 1)
    by_second_key = post(door, link, second, 1)
    of_other = post(door, stranger, key_of(connect, stranger), 1)

    assert (first.status, refused.status, of_other.status) == (202, 429, 202)
    assert by_second_key.status == (202 if limit == "limit_key" else 429)
    assert 15 <= int(refused.headers["retry-after"]) <= 21
    assert "wait" in orjson.loads(refused.body)["error"]
    assert len(putting.items()) == (302 if limit == "limit_key" else 301)


def test_what_a_tenant_sends_beyond_its_share_waits_in_a_stream_of_its_own(
    journal: str, open_door: OpenDoor, connect: Connect, link: dict[str, Any]
) -> None:
    door = open_door(limit_tenant_share=1)
    name, key = link["tracking_id"], key_of(connect, link)
    other = make.campaign(connect())

    for _ in range(30):
        door.get(f"/r/{name}")
    door.get(f"/p/{name}.gif?event=conversion")
    posted = post(door, link, key, 5)
    door.get(f"/r/{other['tracking_id']}")

    bulk = len(putting.items(Kind.CLICKS_BULK))
    assert posted.status == 202
    assert 22 <= bulk <= 26
    assert len(putting.items(Kind.CLICKS)) == 36 - bulk
    assert len(putting.items(Kind.CONVERSIONS_BULK)) == 1
    assert putting.items(Kind.CLICKS)[-1]["user"] == str(other["user_id"])


def test_limits_hold_without_any_store(
    journal: str, open_door: OpenDoor, connect: Connect, link: dict[str, Any]
) -> None:
    door = open_door(limit_network=1, trusted_proxies=PROXY)
    door.get(f"/r/{link['tracking_id']}", x_forwarded_for=OTHER)
    door.base.recorder.journal_up = False

    answers = [door.get(f"/r/{link['tracking_id']}", x_forwarded_for=FLOOD) for _ in range(20)]

    assert {answer.status for answer in answers} == {302}
    assert "x-click-id" in answers[0].headers
    assert "x-click-id" not in answers[-1].headers
