"""Access logs: lines of Apache and nginx, and lines that are neither."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import Refused
from rules.access_log import Visit, read


def line(
    address: str = "203.0.113.7",
    time: str = "22/Nov/2026:12:00:00 +0000",
    request: str = "GET /r/abc HTTP/1.1",
    rest: str = '302 0 "-" "-"',
) -> str:
    return f'{address} - - [{time}] "{request}" {rest}'


def test_a_combined_line_becomes_a_visit() -> None:
    visit = read(line(rest='302 154 "https://site.example/?a=b" "Mozilla/5.0 (X11)"'))

    assert visit == Visit(
        datetime(2026, 11, 22, 12, tzinfo=UTC),
        "203.0.113.7",
        "GET",
        "/r/abc",
        302,
        "https://site.example/?a=b",
        "Mozilla/5.0 (X11)",
    )


@pytest.mark.parametrize(
    "text",
    [
        line(rest="302 0"),
        line(rest="302 -"),
        line(rest='302 0 "-" "-" "203.0.113.9" 0.004'),
        line(request="GET https://go.example/r/abc HTTP/1.1"),
        "go.example:443 " + line(),
        line().replace(" - - [", " - John Smith ["),
        line() + "\r\n",
    ],
)
def test_usual_variants_are_read(text: str) -> None:
    visit = read(text)

    assert (visit.address, visit.target, visit.status) == ("203.0.113.7", "/r/abc", 302)
    assert (visit.referrer, visit.user_agent) == (None, None)


@pytest.mark.parametrize(
    ("time", "hour"),
    [
        ("22/Nov/2026:12:00:00 +0000", 12),
        ("22/Nov/2026:12:00:00 +0530", 6),
        ("22/Nov/2026:12:00:00 -0800", 20),
    ],
)
def test_time_zones_become_utc(time: str, hour: int) -> None:
    assert read(line(time=time)).time.hour == hour


@pytest.mark.parametrize("address", ["2001:db8::7", "[2001:db8::7]", "2001:DB8:0::7"])
def test_addresses_may_be_ipv6(address: str) -> None:
    assert read(line(address)).address == "2001:db8::7"


def test_escaped_quotes_and_bytes_are_restored() -> None:
    visit = read(line(rest=r'302 0 "-" "A \"quoted\" \x22agent\x22 \xc3\xa4 \\ \x00\n"'))

    assert visit.user_agent == 'A "quoted" "agent" \u00e4 \\ '


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        line(address="host.example"),
        line(address="999.1.1.1"),
        line(time="31/Feb/2026:12:00:00 +0000"),
        line(time="22/Foo/2026:12:00:00 +0000"),
        line(time="22/Nov/2026:25:00:00 +0000"),
        line(time="22/Nov/2026:12:00:00 +9999"),
        line(time="01/Jan/0001:00:00:00 +0100"),
        line(request="-"),
        line(request=r"\x16\x03\x01\x02"),
        line(request="GET  HTTP/1.1"),
        "x" * 70_000,
    ],
)
def test_a_line_that_is_no_visit_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(Refused, match=r"\.$"):
        read(text)


@given(st.text(max_size=200) | st.text(max_size=60).map(lambda text: line(request=text)))
def test_any_line_is_read_or_refused(text: str) -> None:
    try:
        visit = read(text)
    except Refused:
        return

    assert visit.time.tzinfo is UTC
