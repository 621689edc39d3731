"""A seller's own products as one row of the catalogue."""

from decimal import Decimal
from typing import Any

import pytest

from rules.own_products import MOST_LISTED, own


def product(**told: Any) -> dict[str, Any]:
    return {"sku": "1", "title": "A course", "status": "ACTIVE", **told}


def test_the_first_number_names_the_row_and_any_rebill_counts() -> None:
    told = own(
        "mynick",
        [
            product(sku="10", title="Upsell", digitalRecurring="true"),
            product(sku="2", title="Main <b>course</b>", description="Words &amp; more"),
            product(sku="bundle", title="Bundle"),
        ],
    )

    assert told is not None
    assert (told.title, told.description, told.rebill) == ("Main course", "Words & more", True)
    assert [one["sku"] for one in told.listed] == ["2", "10", "bundle"]


def test_what_is_not_on_sale_is_no_product() -> None:
    assert own("mynick", []) is None
    assert own("mynick", [product(status="INACTIVE"), product(status="TEST")]) is None


@pytest.mark.parametrize(
    ("told", "rate"),
    [
        ({"commission": {"purchase": "75"}}, Decimal(75)),
        ({"commission": {"purchase": "much"}}, None),
        ({"commission": None}, None),
        ({"commission": [{"purchase": 50.5}]}, Decimal("50.5")),
        ({"no_commission": "true", "commission": {"purchase": "75"}}, Decimal(0)),
    ],
)
def test_the_commission_is_that_of_the_first_product(
    told: dict[str, Any], rate: Decimal | None
) -> None:
    found = own("mynick", [product(**told)])

    assert found is not None
    assert found.commission_rate == rate


@pytest.mark.parametrize(
    "told",
    [
        {"title": None}, {"title": {"a": "b"}}, {"pricings": "x"}, {"pricings": {"pricing": []}},
        {"sku": None}, {"sku": "9" * 500}, {"title": "   "},
    ],
)  # fmt: skip
def test_odd_products_still_make_a_row(told: dict[str, Any]) -> None:
    found = own("mynick", [product(**told)])

    assert found is not None
    assert found.title in ("mynick", "A course")


def test_what_is_kept_of_a_site_has_an_end() -> None:
    found = own("mynick", [product(sku=str(n), title="x" * 10_000) for n in range(500)])

    assert found is not None
    assert len(found.listed) == MOST_LISTED
    assert len(str(found.listed)) < MOST_LISTED * 400
