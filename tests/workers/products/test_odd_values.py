"""Odd values of a feed on their way into rows: none breaks the sync, none is guessed."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from db.connection import transaction
from db.product_syncs import FEED
from tests.conftest import Connect
from tests.feed_making import catalog, site
from tests.workers.products.feeds import Feed
from tests.workers.products.test_syncing import sync
from workers.products import syncing


@pytest.fixture
def rows(connect: Connect, tmp_path: Path) -> Any:
    """Syncs a category of sites; returns its rows by their ids."""

    def taken(*sites: str, name: str = "Art") -> dict[str, Any]:
        file = tmp_path / "feed.xml"
        file.write_bytes(catalog(*sites, name=name).encode())
        with transaction() as tx:
            asked = syncing.ask(tx, FEED, str(file), is_forced=False, asked_by="command")
        assert syncing.run(asked).refused is None
        found = connect().execute(
            "SELECT clickbank_id, title, description, category, commission_rate,"
            " commission_amount, initial_sale_amount, gravity, popularity_rank, data_snapshot"
            " FROM products"
        )
        return {row[0]: row[1:] for row in found}

    return taken


def test_texts_that_copy_would_misread_stay_as_they_are(rows: Any) -> None:
    found = rows(
        site("BACK\\N", Title="a\\tb \\. \\N", Description="two\nlines\tand \\ more"),
        site("C1", Title="&#129;&#150;\x7f", Description="\x96"),
        name="A \\N",
    )

    assert found["back\\n"][:3] == ("a\\tb \\. \\N", "two lines and \\ more", "A \\N")
    assert found["back\\n"][-1]["Description"] == "two\nlines\tand \\ more"
    assert found["c1"][:2] == ("\u2013", "\u2013")


def test_the_longest_texts_fit_their_columns(rows: Any) -> None:
    words = " ".join(f"w{number}" for number in range(60_000))
    found = rows(
        site("EMOJI😀", Title="😀" * 600, Description="é—😀 " * 40_000),
        site("LONG", Title="w" * 5_000, Description="x" * 8_000_000),
        site("WORDS", Description=words),
        name="c" * 5_000,
    )

    assert found["emoji😀"][0] == "😀" * 500
    assert {key: len(row[1]) for key, row in found.items()} == {
        "emoji😀": 99_999,  # a space was the last one
        "long": 100_000,
        "words": 100_000,
    }
    assert found["words"][2] == "c" * 255


def test_numbers_that_cannot_be_read_are_null_and_kept_as_text(rows: Any) -> None:
    found = rows(
        site(
            "ODD", Gravity="1e5", Commission="NaN", PercentPerSale="12,5", PopularityRank="1st",
            AverageEarningsPerSale="99999999.995", InitialEarningsPerSale="-3.005",
        )
    )  # fmt: skip

    *_, rate, amount, initial, gravity, rank, snapshot = found["odd"]
    assert (rate, amount, gravity, rank) == (None, None, None, None)
    assert initial == Decimal("-3.01")
    assert snapshot["Gravity"] == "1e5"
    assert snapshot["PopularityRank"] == "1st"


def test_no_element_passes_for_what_another_source_has_told(rows: Any) -> None:
    found = rows(site("ODD", api="x", search="y", categories="z", feed="q", other="kept"))

    snapshot = found["odd"][-1]
    assert "api" not in snapshot
    assert "search" not in snapshot
    assert snapshot["categories"] == [{"path": "Art", "rank": None}]
    assert snapshot["feed"]["name"] == "feed.xml"
    assert snapshot["other"] == "kept"


def test_listings_without_an_id_are_left_out_and_counted(connect: Connect, tmp_path: Path) -> None:
    report = sync(Feed().many(3).add("").add(" ").write(tmp_path / "f.xml"))

    assert (report.seen, report.skipped) == (3, 2)
    assert connect().execute("SELECT skipped FROM product_syncs").fetchall() == [(2,)]
