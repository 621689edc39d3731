"""Feeds that are cut, swollen or made to harm, taken in whole: refused, and no row is touched."""

import gzip
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from base.settings import settings
from db import product_stage
from db.connection import Tx, transaction
from db.product_syncs import FEED
from tests.conftest import Connect
from tests.feed_making import catalog, site
from tests.integrations.test_feed_files import zipped
from tests.integrations.test_hostile_feeds import LAUGHS, endless, listening, was_called
from tests.ops.cli.conftest import _run
from tests.workers.products.feeds import Feed
from workers.products import syncing

KEPT = ("products", "product_states", "product_absences", "product_history")


def _rows(session: Tx) -> list[Any]:
    """Every row that a sync may change, with its place: a rewritten row is elsewhere."""
    return [
        (table, *row)
        for table in KEPT
        for row in session.execute(
            f"SELECT ctid::text, xmin::text, t::text FROM {table} t ORDER BY 1"
        )
    ]


@pytest.fixture
def session(connect: Connect, tmp_path: Path) -> Iterator[Tx]:
    """A catalogue with a history and an absence, which a test is to leave as it is."""
    session = connect()
    _taken(Feed().many(30).add("GONE").write(tmp_path / "first.xml"))
    session.execute("UPDATE products SET gravity = 3 WHERE clickbank_id = 'p7'")
    _taken(Feed().many(30).write(tmp_path / "second.xml"))
    before = _rows(session)
    assert {row[0] for row in before} == set(KEPT)
    yield session
    assert _rows(session) == before
    assert product_stage.staged(session) == []


def _taken(path: Path, *, is_forced: bool = False) -> str | None:
    """Why a feed was not taken in."""
    with transaction() as tx:
        asked = syncing.ask(tx, FEED, str(path), is_forced=is_forced, asked_by="command")
    return syncing.run(asked).refused


def _reasons(session: Tx) -> set[str | None]:
    rows = session.execute("SELECT reason FROM product_syncs WHERE outcome <> 'applied'")
    return {row[0] for row in rows}


@pytest.mark.parametrize("kind", ["xml", "zip", pytest.param("gzip", marks=pytest.mark.long)])
def test_a_feed_cut_at_any_hundredth_is_refused_whole(
    session: Tx, tmp_path: Path, kind: str
) -> None:
    text = Feed().many(30, gravity=99).write(tmp_path / "new.xml").read_bytes()
    whole = {"xml": text, "zip": zipped({"new.xml": text}), "gzip": gzip.compress(text)}[kind]
    file = tmp_path / "cut"

    told = []
    for hundredths in range(100):
        file.write_bytes(whole[: len(whole) * hundredths // 100])
        told.append(_taken(file, is_forced=bool(hundredths % 2)))

    assert all(told)
    assert _reasons(session) <= {"damaged", "empty"}


def _bomb(path: Path) -> None:
    """An archive of a few hundred kB that unpacks to as many MB."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("feed.xml", "w") as member,
    ):
        member.write(b"<Catalog>" + site().encode())
        for _ in range(300):
            member.write(b" " * 1_000_000)
        member.write(b"</Catalog>")


def _swollen(path: Path) -> None:
    """A title of a hundred megabytes."""
    with path.open("wb") as file:
        file.writelines(endless("title", 100))


def _laughing(path: Path) -> None:
    head = f'<!DOCTYPE Catalog [<!ENTITY a "ha">{LAUGHS}]>'
    path.write_text(catalog(site("P1", Title="&j;"), head=head))


def _page(path: Path) -> None:
    path.write_text("<!DOCTYPE html><html><body>We have moved.</body></html>")


@pytest.mark.parametrize("made", [_bomb, _swollen, _laughing, _page])
def test_a_feed_made_to_harm_is_refused_by_the_command(
    session: Tx, tmp_path: Path, made: Any
) -> None:
    made(tmp_path / "feed")

    said = _run("products", "sync", "--file", str(tmp_path / "feed"), "--force", "--json")

    assert said.code == 1
    assert said.json["refused"]
    assert (said.json["inserted"], said.json["updated"]) == (0, 0)
    assert _reasons(session) <= {"damaged", "html", "too_large"}


def test_a_feed_larger_than_it_may_be_is_refused(
    session: Tx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Feed().many(300).write(tmp_path / "large.xml")
    monkeypatch.setenv("HOPFLEET_FEED_MOST_UNPACKED_BYTES", "50000")
    settings.cache_clear()

    said = _run("products", "sync", "--file", str(tmp_path / "large.xml"), "--force")

    settings.cache_clear()
    assert said.code == 1
    assert _reasons(session) == {"too_large"}


def test_what_entities_name_outside_never_comes_into_the_catalogue(
    connect: Connect, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hidden")
    with listening() as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.dtd"
        head = (
            f'<!DOCTYPE Catalog SYSTEM "{url}" [<!ENTITY f SYSTEM "{secret.as_uri()}">'
            f'<!ENTITY u SYSTEM "{url}"><!ENTITY % p SYSTEM "{url}"> %p;]>'
        )
        file = tmp_path / "feed.xml"
        file.write_text(catalog(site("P1", Title="a&f;&u;b", Description="&f;"), head=head))
        _run("products", "sync", "--file", str(file))

        assert not was_called(server)
    ((title, kept),) = connect().execute("SELECT title, p::text FROM products p").fetchall()
    assert title in ("ab", "a&f;&u;b")
    assert "hidden" not in kept
