"""Fetching the feed: whole under a name of its own, or not at all, and it says why."""

import gzip
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from base.settings import settings
from integrations.feeds import FeedAway, FeedRefused, Fetched, Limits, fetch, opened
from integrations.marketplace import sites
from ops.local.ports import free_port
from tests import feed_server
from tests.feed_making import catalog, site
from tests.web import Answering, Web, hang_up, say, say_each, web

DATA = catalog(*(site(f"S{number}", Title=f"Shop {number}") for number in range(2_000))).encode()
HASTY = Limits(0.5, 0.5, 1.5, 0.4, 2048.0)


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as made:
        yield made


def get(server: Web, folder: Path, answer: Answering | None = None, **asked: str) -> Fetched | None:
    """What becomes of a transfer from that server."""
    if answer is not None:
        server.answer = answer
    known = {"etag": asked.get("etag"), "last_modified": asked.get("last_modified")}
    return fetch(server.url + "/feed.zip", folder, **known, said=lambda *_: None, limits=HASTY)


def refused(server: Web, folder: Path, answer: Answering) -> str:
    """Why it is none; nothing is left of it."""
    with pytest.raises(FeedRefused) as found:
        get(server, folder, answer)
    assert list(folder.iterdir()) == []
    return found.value.reason


def away(server: Web, folder: Path, answer: Answering) -> str:
    """Why it has to come another time; nothing is left of it."""
    with pytest.raises(FeedAway) as found:
        get(server, folder, answer)
    assert list(folder.iterdir()) == []
    return str(found.value)


def test_a_feed_is_fetched_whole_and_tells_what_it_is(server: Web, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    server.answer = feed_server.feed(DATA)
    found = fetch(
        server.url + "/feed", tmp_path / "new" / "feeds", etag=None, last_modified=None,
        said=lambda *one: told.append(one),
    )  # fmt: skip

    assert found is not None
    dated = datetime(2026, 3, 2, 13, tzinfo=UTC)
    assert found[1:] == ('"1"', feed_server.NEWEST, dated, len(DATA))
    assert found.path.read_bytes() == DATA
    assert list(found.path.parent.iterdir()) == [found.path]
    assert told[-1] == (len(DATA), len(DATA))
    with opened(found.path) as feed:
        assert feed.dated == dated
        assert sum(1 for _ in sites(feed)) == 2_000


def test_what_has_not_changed_is_not_fetched_again(server: Web, tmp_path: Path) -> None:
    server.answer = feed_server.feed(DATA)

    assert get(server, tmp_path, etag='"1"', last_modified="Sun, 01 Mar 2026 13:00:00 GMT") is None
    assert get(server, tmp_path, last_modified=feed_server.NEWEST) is None
    assert get(server, tmp_path, etag='"0"') is not None
    assert [got.headers.get("if-none-match") for got in server.got] == ['"1"', None, '"0"']
    assert {got.headers["accept-encoding"] for got in server.got} == {"identity"}


@pytest.mark.parametrize(
    "answer",
    [
        feed_server.chunked(DATA),
        feed_server.unsized(DATA),
        feed_server.packed(DATA),
        feed_server.packed(DATA, encoding="X-GZIP"),
        feed_server.feed(DATA, None, None, "Content-Type: text/xml"),
        feed_server.feed(DATA, None, "yesterday"),
    ],
    ids=["chunked", "unsized", "packed", "x-gzip", "bare", "odd date"],
)
def test_it_may_come_in_any_form(server: Web, tmp_path: Path, answer: Answering) -> None:
    found = get(server, tmp_path, answer)

    assert found is not None
    assert (found.path.read_bytes(), found.dated) == (DATA, None)
    assert found.path.suffix == ".xml"


def test_an_archive_keeps_its_kind_whatever_it_is_called(server: Web, tmp_path: Path) -> None:
    server.answer = say(200, gzip.compress(DATA), "Content-Type: text/html")
    found = get(server, tmp_path)

    assert found is not None
    assert found.path.suffix == ".gz"


def test_redirects_are_followed_but_not_in_circles(server: Web, tmp_path: Path) -> None:
    ways = [feed_server.redirect(f"/{number}") for number in range(5)]

    assert get(server, tmp_path, say_each(*ways, feed_server.feed(DATA))) is not None
    assert server.paths()[-1] == "/4"
    for one in tmp_path.iterdir():
        one.unlink()
    assert refused(server, tmp_path, feed_server.redirect("/again")) == "redirects"
    assert refused(server, tmp_path, feed_server.redirect("file:///etc/hostname")) == "address"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (say(404), "gone"),
        (say(410), "gone"),
        (say(403), "denied"),
        (say(401), "denied"),
        (say(418), "unusual"),
        (say(304), "unusual"),
        (feed_server.page(404), "gone"),
        (feed_server.page(), "html"),
        (say(200, b"<html>moved</html>"), "html"),
        (say(200, b"we have moved", "Content-Type: text/html"), "html"),
        (say(200, b""), "empty"),
        (say(200, b" \r\n"), "empty"),
        (feed_server.packed(DATA, encoding="br"), "unusual"),
    ],
    ids=[
        *("404", "410", "403", "401", "418", "304", "page 404", "page", "html", "type"),
        *("nothing", "blank", "brotli"),
    ],
)
def test_what_is_no_feed_is_refused(
    server: Web, tmp_path: Path, answer: Answering, reason: str
) -> None:
    assert refused(server, tmp_path, answer) == reason


@pytest.mark.parametrize(
    "answer",
    [
        *(say(status) for status in (500, 502, 503, 429, 408)),
        hang_up,
        feed_server.cut(DATA, 5_000),
        feed_server.cut(DATA, 0),
        feed_server.chunked(DATA, is_whole=False),
        feed_server.packed(DATA, at=500),
        feed_server.packed(DATA, at=0),
        feed_server.silent(DATA, 5_000),
        feed_server.dripping(0.01),
        feed_server.dripping(0.01, in_head=True),
    ],
    ids=[
        *("500", "502", "503", "429", "408", "hung up", "cut", "nothing", "half of chunks"),
        *("packed and cut", "packed nothing", "silent", "dripping", "dripping head"),
    ],
)
def test_what_does_not_come_whole_comes_another_time(
    server: Web, tmp_path: Path, answer: Answering
) -> None:
    assert away(server, tmp_path, answer).startswith("The feed")


def test_a_server_that_is_not_there_is_away(tmp_path: Path) -> None:
    with pytest.raises(FeedAway):
        fetch(
            f"http://127.0.0.1:{free_port()}/x", tmp_path, etag=None, last_modified=None,
            said=lambda *_: None,
        )  # fmt: skip


@pytest.mark.parametrize("url", ["", "feed.zip", "ftp://host/x", "http://", "http://[", "//host/x"])
def test_an_address_that_is_none_of_the_web_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(FeedRefused) as found:
        fetch(url, tmp_path, etag=None, last_modified=None, said=lambda *_: None)

    assert found.value.reason == "address"


def test_a_password_goes_to_its_server_and_into_no_error(server: Web, tmp_path: Path) -> None:
    url = server.url.replace("//", "//shop:geheim@") + "/feed?token=hidden"
    server.answer = say_each(say(503), say(404), hang_up, feed_server.page())
    errors = []
    for _ in range(4):
        with pytest.raises((FeedAway, FeedRefused)) as found:
            fetch(url, tmp_path, etag=None, last_modified=None, said=lambda *_: None)
        errors.append(str(found.value))

    assert server.got[0].headers["authorization"].startswith("Basic ")
    assert not any(word in error for error in errors for word in ("geheim", "hidden", "127.0.0.1"))


def test_a_password_does_not_follow_to_another_server(server: Web, tmp_path: Path) -> None:
    with web() as other:
        other.answer = feed_server.feed(DATA)
        server.answer = feed_server.redirect(other.url + "/feed")
        url = server.url.replace("//", "//shop:geheim@")
        fetch(url, tmp_path, etag=None, last_modified=None, said=lambda *_: None)

    assert "authorization" not in other.got[0].headers


@pytest.mark.parametrize("answer", [feed_server.feed(DATA), feed_server.chunked(DATA)])
def test_no_more_is_fetched_than_an_operator_allows(
    server: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answering
) -> None:
    monkeypatch.setenv("HOPFLEET_FEED_MOST_BYTES", str(len(DATA) - 1))
    settings.cache_clear()
    try:
        found = refused(server, tmp_path, answer)
    finally:
        settings.cache_clear()

    assert found == "too_large"


def test_who_listens_may_end_a_transfer(server: Web, tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def said(*_: object) -> None:
        raise Enough

    server.answer = feed_server.feed(DATA)
    with pytest.raises(Enough):
        fetch(server.url, tmp_path, etag=None, last_modified=None, said=said)

    assert list(tmp_path.iterdir()) == []


def test_what_killed_transfers_left_is_swept_away(server: Web, tmp_path: Path) -> None:
    old, young, other = (tmp_path / name for name in ("a.part", "b.part", "c.xml"))
    for one in (old, young, other):
        one.write_bytes(b"x")
    for one in (old, other):
        os.utime(one, (1, 1))

    get(server, tmp_path, feed_server.feed(DATA))

    assert not old.exists()
    assert young.exists()
    assert other.exists()


def test_a_folder_that_takes_nothing_is_told_of(server: Web, tmp_path: Path) -> None:
    (tmp_path / "feeds").write_bytes(b"a file in its place")
    server.answer = feed_server.feed(DATA)

    with pytest.raises(FeedAway, match="written"):
        fetch(server.url, tmp_path / "feeds", etag=None, last_modified=None, said=lambda *_: None)
