"""`hopfleet products sync`: a feed taken in by a command, or refused with its reason."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from base.settings import settings
from db import product_syncs
from db.connection import transaction
from db.product_syncs import FEED
from tests import clickbank_fake, make, notifications
from tests.conftest import Connect
from tests.ops.cli.conftest import Run
from tests.workers.products.feeds import Feed

SAMPLE = Path(__file__).parents[2] / "data" / "marketplace_sample.xml"


def test_the_sample_is_taken_in_and_told_in_json(run: Run) -> None:
    first = run("products", "sync", "--file", str(SAMPLE), "--json")
    again = run("products", "sync", "--file", str(SAMPLE))

    assert (first.code, again.code) == (0, 0)
    told = first.json
    assert told.pop("seconds") > 0
    assert told.pop("sync").isdigit()
    assert told == {
        "seen": 24, "inserted": 24, "updated": 0, "unchanged": 0, "missing": 0, "listings": 26,
        "refused": None,
    }  # fmt: skip
    assert again.out.startswith("24 products: 0 new, 0 changed, 24 as they were; 0 that we know")
    assert "reading the feed …" in again.err


def test_a_refused_feed_is_exit_code_1_and_says_what_to_do(run: Run, tmp_path: Path) -> None:
    run("products", "sync", "--file", str(SAMPLE))
    small = Feed().many(2).write(tmp_path / "small.xml")

    refused = run("products", "sync", "--file", str(small), "--json")
    spoken = run("products", "sync", "--file", str(small))
    forced = run("products", "sync", "--file", str(small), "--force", "--json")

    assert refused.code == 1
    assert "--force" in refused.json["refused"]
    assert refused.json["inserted"] == 0
    assert (spoken.code, spoken.out) == (1, "")
    assert spoken.err.splitlines()[-1].startswith("Refused: The feed has 2 products")
    assert (forced.code, forced.json["missing"]) == (0, 24)


def test_a_second_sync_at_once_says_so(run: Run) -> None:
    with transaction() as tx:
        other = product_syncs.ask(tx, FEED, "/x", is_forced=False, asked_by="schedule")
        assert product_syncs.take(tx, other, "elsewhere", 60)

    said = run("products", "sync", "--file", str(SAMPLE), "--json")

    assert said.code == 1
    assert f"Sync {other} has been running since" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--file", "{tmp}/missing.xml"), "is not there"),
        (("--file", "{tmp}"), "is no file"),
        (("--file", str(SAMPLE), "--url", "http://h/x"), "not both"),
        (("--url", "http://me:secret@host/x"), "no name and password"),
        (("--source", "moon"), "no source 'moon'"),
    ],
)
def test_wrong_use_is_exit_code_2(
    run: Run, connect: Connect, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    said = run("products", "sync", *(word.replace("{tmp}", str(tmp_path)) for word in words))

    assert said.code == 2
    assert told in said.err
    assert "secret" not in said.err
    assert connect().execute("SELECT count(*) FROM product_syncs").fetchone() == (0,)


def test_an_older_file_is_refused(run: Run, tmp_path: Path) -> None:
    run("products", "sync", "--file", str(Feed().many(3).write(tmp_path / "new.xml")))
    old = Feed().many(3).write(tmp_path / "old.xml", datetime.now(UTC) - timedelta(days=2))

    said = run("products", "sync", "--file", str(old))

    assert said.code == 1
    assert "older" in said.err


def test_an_api_sync_tells_its_counts_and_what_is_left(
    run: Run, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = connect()
    fake = clickbank_fake.ClickBank(sold={"affiliate/vendor": [("Q", {"REFUND_RATE": "5"})]})
    notifications.connect(
        session, make.user(session)["id"], "S", {"nickname": "me"}, api_key=clickbank_fake.KEY
    )
    make.product(session, clickbank_id="q", vendor="q")
    with fake.serve() as address:
        monkeypatch.setenv("HOPFLEET_CLICKBANK_API_URL", address)
        settings.cache_clear()
        said = run("products", "sync", "--source", "api", "--json")
        again = run("products", "sync", "--source", "api")
    settings.cache_clear()

    assert (said.code, again.code) == (0, 0)
    assert {name: said.json[name] for name in ("seen", "updated", "left", "refused")} == {
        "seen": 1, "updated": 1, "left": 0, "refused": None,
    }  # fmt: skip
    assert again.out.startswith("1 products told: 0 new, 0 changed, 1 as they were")


def test_an_api_sync_without_a_key_says_how_to_name_one(run: Run) -> None:
    said = run("products", "sync", "--source", "api")

    assert said.code == 1
    assert "--api-key -" in said.err


def test_there_are_three_sources(run: Run) -> None:
    said = run("products", "sync", "--source", "ftp")
    mixed = run("products", "sync", "--source", "api", "--file", str(SAMPLE))

    assert (said.code, mixed.code) == (2, 2)
    assert "feed, api, search" in said.err
