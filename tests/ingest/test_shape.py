"""What of a visitor is kept: never a whole address, and little when the visitor says so."""

import ipaddress
from typing import Any

import orjson
import pytest

from schemas.items import Item
from tests import make
from tests.conftest import Connect
from tests.ingest.conftest import OpenDoor
from tests.ingest.door import Door
from tests.journal import putting

CHROME = "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 Safari/537.36"
VISITOR = "203.0.113.77"


def visit(door: Door, connect: Connect, query: str = "", /, **headers: str) -> Item:
    """One click of a new campaign, as it stands in the journal."""
    link = make.campaign(connect())
    assert door.get(f"/r/{link['tracking_id']}{query}", **headers).status == 302
    return putting.items()[-1]


@pytest.fixture
def behind(journal: str, open_door: OpenDoor) -> Door:
    """A door behind a proxy it trusts."""
    return open_door(
        trusted_proxies=(ipaddress.ip_network("127.0.0.0/8"),), country_header="CF-IPCountry"
    )


@pytest.mark.parametrize(
    ("forwarded", "kept"),
    [
        (VISITOR, "203.0.113.0"),
        (f"6.6.6.6, {VISITOR}", "203.0.113.0"),
        (f"{VISITOR}, 127.0.0.9", "203.0.113.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        (f"{VISITOR}:4711", "203.0.113.0"),
        ("no address", "127.0.0.0"),
        ("", "127.0.0.0"),
    ],
)
def test_only_a_network_of_the_visitor_is_kept(
    behind: Door, connect: Connect, forwarded: str, kept: str
) -> None:
    item = visit(behind, connect, x_forwarded_for=forwarded, user_agent=CHROME)

    assert item["meta"]["ip"] == kept
    assert len(item["meta"]["visitor"]) == 32
    whole = orjson.dumps(item).decode()
    assert VISITOR not in whole
    assert "3:4:5:6" not in whole


def test_two_lines_of_hops_are_one_list(behind: Door, connect: Connect) -> None:
    link = make.campaign(connect())
    data = (
        f"GET /r/{link['tracking_id']} HTTP/1.1\r\nX-Forwarded-For: 6.6.6.6\r\n"
        f"X-Forwarded-For: {VISITOR}\r\n\r\n"
    )

    behind.send(data.encode())

    assert putting.items()[0]["meta"]["ip"] == "203.0.113.0"


def test_a_stranger_cannot_claim_another_address_or_country(door: Door, connect: Connect) -> None:
    item = visit(door, connect, x_forwarded_for=VISITOR, cf_ipcountry="US")

    assert item["meta"]["ip"] == "127.0.0.0"
    assert "country" not in item["meta"]


@pytest.mark.parametrize(
    ("said", "kept"), [("US", "US"), ("XXX", None), ("us", None), ("", None), ("\xe9\xe9", None)]
)
def test_a_trusted_proxy_may_say_the_country(
    behind: Door, connect: Connect, said: str, kept: str | None
) -> None:
    item = visit(behind, connect, x_forwarded_for=VISITOR, cf_ipcountry=said)

    assert item["meta"].get("country") == kept


def test_a_visitor_is_the_same_for_one_account_only(behind: Door, connect: Connect) -> None:
    session = connect()
    one, two = make.campaign(session), make.campaign(session)
    same = make.campaign(session, user_id=one["user_id"])

    for link in (one, same, two, one):
        agent = CHROME if len(putting.items()) < 3 else "another"
        behind.get(f"/r/{link['tracking_id']}", x_forwarded_for=VISITOR, user_agent=agent)

    first, second, elsewhere, other = [item["meta"]["visitor"] for item in putting.items()]
    assert first == second
    assert len({first, elsewhere, other}) == 3


@pytest.mark.parametrize("header", ["sec_gpc", "dnt"])
def test_who_asks_for_privacy_gets_it_where_that_is_on(
    journal: str, open_door: OpenDoor, connect: Connect, header: str
) -> None:
    door = open_door(respect_gpc=True)

    item = visit(
        door, connect, "?sub1=x", user_agent=CHROME, referer="https://a.example/p", **{header: "1"}
    )

    assert item["meta"].keys() == {"sub1", "received_at"}
    assert "source" not in item


def test_a_privacy_signal_is_off_unless_somebody_turned_it_on(door: Door, connect: Connect) -> None:
    assert "visitor" in visit(door, connect, sec_gpc="1")["meta"]


def test_a_campaign_may_honour_the_signal_by_itself(door: Door, connect: Connect) -> None:
    link = make.campaign(connect(), settings={"respect_gpc": True})

    door.get(f"/r/{link['tracking_id']}", sec_gpc="1", user_agent=CHROME)
    door.get(f"/r/{link['tracking_id']}", user_agent=CHROME)

    hidden, seen = putting.items()
    assert "ip" not in hidden["meta"]
    assert "ip" in seen["meta"]


def test_a_referrer_is_kept_without_what_may_be_secret_in_it(door: Door, connect: Connect) -> None:
    item = visit(door, connect, referer="https://u:p@page.example/path?token=t#f")

    assert item["meta"]["referrer"] == "https://page.example/path"
    assert item["source"] == "page.example"


@pytest.mark.parametrize(
    ("query", "source"),
    [
        ("?source=a&s=b&utm_source=c", "a"),
        ("?s=b&utm_source=c", "b"),
        ("?utm_source=c", "c"),
        ("?source=", "page.example"),
        ("", "page.example"),
    ],
)
def test_the_first_word_on_the_source_wins(
    door: Door, connect: Connect, query: str, source: str
) -> None:
    item = visit(door, connect, query, referer="https://page.example/")

    assert item["source"] == source


def test_a_long_source_is_cut_and_flagged(door: Door, connect: Connect) -> None:
    item = visit(door, connect, "?source=" + "x" * 300)

    assert (len(item["source"]), item["meta"]["source_cut"]) == (255, True)


@pytest.mark.parametrize(
    "header", [{"sec_purpose": "prefetch;prerender"}, {"purpose": "prefetch"},
               {"x_moz": "prefetch"}, {"x_purpose": "preview"}],
)  # fmt: skip
def test_a_prefetch_is_kept_as_no_visitors_click(
    door: Door, connect: Connect, header: dict[str, str]
) -> None:
    assert visit(door, connect, user_agent=CHROME, **header)["meta"]["bot"] == "prefetch"


def test_a_visitor_without_an_agent_says_so(door: Door, connect: Connect) -> None:
    assert visit(door, connect)["meta"]["ua"] == ""


@pytest.mark.parametrize("agent", ["x" * 5_000, "a\tb", "\xff\xfe", "\xf0\x9f\x98"])
def test_a_strange_agent_is_kept_as_text(door: Door, connect: Connect, agent: str) -> None:
    kept: Any = visit(door, connect, user_agent=agent)["meta"]["ua"]

    assert len(kept) <= 1_000
    assert kept.isprintable()
