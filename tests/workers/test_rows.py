"""From an item to its row: the same item gives the same row, whoever asks how often."""

from typing import Any
from uuid import uuid4

import pytest

from base.errors import Permanent
from base.ids import uuid7_hex
from tests.workers.items import item, sale
from workers.countries import open_country
from workers.rows import row_of

MS = 1_795_365_000_250


def test_the_same_item_gives_the_same_row_and_stays_as_it_was() -> None:
    made = item(uuid4(), uuid4(), meta={"ua": "curl/8", "sub1": "x"})
    before = {**made, "meta": dict(made["meta"])}

    assert row_of(made, None) == row_of(made, None)
    assert made == before


def test_the_moment_is_the_ids_to_the_millisecond() -> None:
    assert row_of(item(uuid4(), id=uuid7_hex(MS)), None)[6] == "2026-11-22 16:30:00.250+00"


def test_an_items_own_campaign_wins_over_its_clicks() -> None:
    own, found = uuid4(), str(uuid4())

    assert row_of(item(uuid4(), own), found)[1] == str(own)
    assert row_of(item(uuid4()), found)[1] == found
    assert row_of(item(uuid4()), None)[1] is None


def test_an_item_whose_click_nobody_knows_says_so() -> None:
    lonely = item(uuid4(), click=uuid7_hex(MS))

    assert '"orphan":true' in row_of(lonely, None)[4]
    assert "orphan" not in row_of(lonely, str(uuid4()))[4]


@pytest.mark.parametrize(
    ("more", "revenue"),
    [
        ({}, "10.00"),
        ({"type": "refund"}, "-10.00"),
        ({"currency": "EUR"}, None),
        ({"amount": "0"}, "0"),
    ],
)
def test_revenue_is_signed_dollars(more: dict[str, Any], revenue: str | None) -> None:
    assert row_of(sale(uuid4(), **more), None)[5] == revenue


@pytest.mark.parametrize(
    "more",
    [{"type": "clack"}, {"user": "me"}, {"id": "zz"}, {"meta": None}, {"amount": "NaN"},
     {"campaign": "mine"}],
)  # fmt: skip
def test_what_is_no_item_is_permanent(more: dict[str, Any]) -> None:
    with pytest.raises(Permanent):
        row_of({**item(uuid4()), **more}, None)  # type: ignore[typeddict-item]


def test_without_a_file_no_country_is_known(tmp_path: Any) -> None:
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"no database")

    for file in (None, tmp_path / "missing", broken):
        assert open_country(file)("203.0.113.0") is None
