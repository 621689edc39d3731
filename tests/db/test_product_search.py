"""What is found, in which order, by which of the two ways, and how pages follow one another."""

from decimal import Decimal
from typing import Any

import pytest

from db import product_entries, product_search, product_words
from db.connection import Tx
from db.product_plans import After
from db.product_search import SORTS, Query
from rules.search import wanted

CATALOGUE = """
    INSERT INTO products (clickbank_id, title, vendor, category, description, gravity,
        commission_amount, commission_rate, initial_sale_amount, refund_rate, rebill,
        popularity_rank, data_snapshot)
    VALUES ('quilt', 'Quilt Path for Beginners', 'quilt', 'Home & Garden > Crafts & Hobbies',
            'Patterns for sewing', 48.27, 52.18, 60, 33.07, 4.5, true, 1,
            '{"categories": [{"path": "Home & Garden", "rank": 2},
                {"path": "Home & Garden > Crafts & Hobbies", "rank": 1}]}'),
        ('sewing', 'Sewing Machines Repaired', 'sewing', 'Home & Garden > Crafts & Hobbies',
            'Also for quilts', 3, 20, 50, 20, NULL, false, 2, NULL),
        ('uhr', 'Die Gartenuhr - Säen & Ernten', 'uhr', 'Home & Garden',
            'Aussaatkalender für kühle', 4.7, 31.4, 50, 18.2, NULL, true, 4, NULL),
        ('keto', 'Keto Diet Running Plan', 'keto', 'Health', NULL, NULL, NULL, NULL, NULL, NULL,
            NULL, NULL, NULL)
"""


@pytest.fixture
def shop(tx: Tx) -> Tx:
    """A session with four products in it."""
    tx.execute(CATALOGUE)
    product_words.refresh(tx)
    return tx


def _ids(tx: Tx, text: str | None = None, **filters: Any) -> list[str]:
    page = product_search.find(tx, Query(text=wanted(text), **filters))
    return [row["clickbank_id"] for row in page.rows]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("quilt", ["quilt", "sewing"]),
        ("quilts", ["quilt", "sewing"]),
        ("QUILT path", ["quilt"]),
        ("sewing", ["sewing", "quilt"]),
        ('"quilt path"', ["quilt"]),
        ('"path quilt"', []),
        ("quilt -machine", ["quilt"]),
        ("begin", ["quilt"]),
        ("saen", ["uhr"]),
        ("SÄEN", ["uhr"]),
        ("fur kuhle", ["uhr"]),
        ("run", ["keto"]),
        ("nothing-of-the-kind", []),
        ("the", ["quilt", "uhr", "sewing", "keto"]),
        ("", ["quilt", "uhr", "sewing", "keto"]),
        (None, ["quilt", "uhr", "sewing", "keto"]),
        ("& | ! :* ( ' \\ \x00 \ud800 '", ["quilt", "uhr", "sewing", "keto"]),
        ("'; DROP TABLE products --", []),
        ("\N{SLEEPING FACE}", ["quilt", "uhr", "sewing", "keto"]),
        ("-quilt", ["uhr", "keto"]),
    ],
)
def test_texts_find_what_people_would_expect(shop: Tx, text: str | None, found: list[str]) -> None:
    assert _ids(shop, text) == found


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"category": "home & garden"}, ["quilt", "uhr", "sewing"]),
        ({"category": "Home & Garden>Crafts & Hobbies"}, ["quilt", "sewing"]),
        ({"category": "crafts & hobbies"}, ["quilt", "sewing"]),
        ({"category": "Crafts"}, []),
        ({"least_gravity": Decimal(4)}, ["quilt", "uhr"]),
        ({"most_gravity": Decimal("4.7")}, ["uhr", "sewing"]),
        ({"least_commission": Decimal(30)}, ["quilt", "uhr"]),
        ({"least_rate": Decimal(51)}, ["quilt"]),
        ({"least_initial": Decimal(19)}, ["quilt", "sewing"]),
        ({"most_refunds": Decimal(5)}, ["quilt"]),
        ({"rebill": True}, ["quilt", "uhr"]),
        ({"rebill": False}, ["sewing", "keto"]),
        ({"sort": "commission"}, ["quilt", "uhr", "sewing", "keto"]),
        ({"sort": "rank"}, ["quilt", "sewing", "uhr", "keto"]),
        ({"sort": "initial"}, ["quilt", "sewing", "uhr", "keto"]),
    ],
)
def test_filters_and_sorts(shop: Tx, filters: dict[str, Any], found: list[str]) -> None:
    assert _ids(shop, **filters) == found


def test_plain_sql_of_another_application_is_found_at_once(shop: Tx) -> None:
    shop.execute("UPDATE products SET title = 'Zebra', gravity = 99 WHERE clickbank_id = 'keto'")
    shop.execute("DELETE FROM products WHERE clickbank_id = 'uhr'")

    assert _ids(shop, "zebra") == ["keto"]
    assert _ids(shop, "diet") == []
    assert _ids(shop) == ["keto", "quilt", "sewing"]


def test_vanished_products_are_shown_on_demand(shop: Tx) -> None:
    shop.execute(
        "INSERT INTO product_absences (product_id, feeds, since_sync, vanished_at)"
        " SELECT id, 3, 1, now() FROM products WHERE clickbank_id IN ('quilt', 'uhr')"
    )
    hidden = _ids(shop)
    shop.execute("UPDATE product_absences SET vanished_at = NULL FROM products p"
                 " WHERE p.id = product_id AND clickbank_id = 'uhr'")  # fmt: skip
    shown = _ids(shop, with_gone=True)
    shop.execute("DELETE FROM product_absences")

    assert hidden == ["sewing", "keto"]
    assert shown == ["quilt", "uhr", "sewing", "keto"]
    assert _ids(shop) == ["quilt", "uhr", "sewing", "keto"]


def test_a_trend_is_gravity_against_thirty_days_ago(shop: Tx) -> None:
    shop.execute(
        "INSERT INTO product_history (product_id, day, gravity) SELECT id,"
        " (now() AT TIME ZONE 'UTC')::date - 31, 40 FROM products WHERE clickbank_id <> 'keto'"
    )
    shop.execute("UPDATE products SET gravity = gravity + 1 WHERE clickbank_id <> 'sewing'")

    assert _ids(shop, rising=True) == ["quilt"]
    assert _ids(shop, rising=False) == ["uhr"]
    assert _ids(shop, sort="trend")[0] == "quilt"


def test_trends_go_on_although_nothing_changes(shop: Tx) -> None:
    shop.execute(
        "INSERT INTO product_history (product_id, day, gravity)"
        " SELECT id, (now() AT TIME ZONE 'UTC')::date - days, told.gravity"
        " FROM products JOIN (VALUES ('uhr', 40, 12), ('uhr', 30, 50), ('uhr', 5, 12),"
        "  ('quilt', 40, 1), ('quilt', 30, 48)) AS told (name, days, gravity)"
        " ON clickbank_id = name"
    )
    shop.execute("UPDATE products SET gravity = 12 WHERE clickbank_id = 'uhr'")
    shop.execute("UPDATE products SET gravity = 48 WHERE clickbank_id = 'quilt'")
    shop.execute("UPDATE product_search SET trend = 0")  # as 31 days ago were as today
    shop.execute(
        "UPDATE product_search SET trend = 47 FROM products"
        " WHERE product_id = id AND clickbank_id = 'quilt'"
    )

    changed = product_entries.refresh_trends(shop)

    assert changed == 2
    assert _ids(shop, rising=False) == ["uhr"]
    assert _ids(shop, rising=True) == []


@pytest.fixture
def many(tx: Tx) -> Tx:
    """A session with 12,000 products: beyond what the first walk looks at."""
    tx.execute(
        "INSERT INTO products (clickbank_id, title, vendor, category, description, gravity,"
        "  commission_amount, commission_rate, initial_sale_amount, popularity_rank)"
        " SELECT 'p' || n, 'Common ' || CASE WHEN n % 2 = 0 THEN 'even' ELSE 'odd' END"
        "   || CASE WHEN n % 4000 = 0 THEN ' rarity' ELSE '' END, 'v', 'Cat ' || n % 3,"
        "   CASE WHEN n % 1000 = 1 THEN 'a rarity' END, (n * 7919) % 500, n % 91, n % 76, n % 13, n"
        " FROM generate_series(1, 12000) AS n"
    )
    tx.execute("ANALYZE product_search")
    return tx


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("text", ["even", "rarity", "odd rarity", None])
def test_pages_follow_one_another_without_gap_or_repeat(
    many: Tx, sort: str, text: str | None
) -> None:
    query = Query(text=wanted(text), sort=sort, category="cat 1")
    whole = product_search.find(many, query, 5000)

    paged: list[dict[str, Any]] = []
    after: After | None = None
    while len(paged) < 60:
        page = product_search.find(many, query, 7, after)
        paged += page.rows
        after = page.after
        if after is None:
            break

    assert [row["id"] for row in paged] == [row["id"] for row in whole.rows][: len(paged)]
    assert len(paged) == min(len(whole.rows), 63)
    expected = {"even": 2000, "rarity": 5, "odd rarity": 4, None: 4000}
    assert len(whole.rows) == expected[text]


@pytest.mark.parametrize(
    ("text", "meant", "found"),
    [
        ("qilt", "quilt", ["quilt", "sewing"]),  # one left out
        ("quillt", "quilt", ["quilt", "sewing"]),  # one added
        ("quolt", "quilt", ["quilt", "sewing"]),  # one changed
        ("ktoe", "keto", ["keto"]),  # two swapped
        ("Mashines Repaird", "machines repaired", ["sewing"]),
        ('"qilt path"', "quilt path", ["quilt"]),
        ("gartenur -keto", "gartenuhr", ["uhr"]),
        ("Gärtenuhrr", "gartenuhr", ["uhr"]),
    ],
)
def test_words_with_a_typo_are_taken_for_the_nearest(
    shop: Tx, text: str, meant: str, found: list[str]
) -> None:
    page = product_search.find(shop, Query(text=wanted(text)))

    assert page.corrected is not None
    assert " ".join((*page.corrected.words, *page.corrected.phrases)) == meant
    assert [row["clickbank_id"] for row in page.rows] == found


@pytest.mark.parametrize("text", ["quilt keto", "zzzzzz", "qu", "12345", "x" * 200, "ke", "ö"])
def test_what_is_near_to_nothing_is_not_corrected(shop: Tx, text: str) -> None:
    page = product_search.find(shop, Query(text=wanted(text)))

    assert page.corrected is None


def test_pages_of_a_corrected_search_follow_one_another(shop: Tx) -> None:
    first = product_search.find(shop, Query(text=wanted("qilt")), 1)
    second = product_search.find(shop, Query(text=wanted("qilt")), 1, first.after)

    assert [page.rows[0]["clickbank_id"] for page in (first, second)] == ["quilt", "sewing"]


def test_a_product_whose_id_is_the_text_comes_first_and_once(shop: Tx) -> None:
    shop.execute("UPDATE products SET clickbank_id = 'sewing' || id WHERE clickbank_id = 'sewing'")
    shop.execute("UPDATE products SET clickbank_id = 'sewing' WHERE clickbank_id = 'keto'")

    whole = _ids(shop, "SEWING")
    first = product_search.find(shop, Query(text=wanted("sewing")), 1)
    rest = product_search.find(shop, Query(text=wanted("sewing")), 5, first.after)

    assert whole[0] == "sewing"
    assert len(whole) == 3
    assert [row["clickbank_id"] for row in (*first.rows, *rest.rows)] == whole


def test_the_id_as_text_obeys_the_filters(shop: Tx) -> None:
    assert _ids(shop, "keto", least_gravity=Decimal(1)) == []


def test_words_that_no_title_has_any_more_are_forgotten(shop: Tx) -> None:
    shop.execute("UPDATE products SET title = 'Needlework' WHERE clickbank_id = 'quilt'")

    product_words.refresh(shop)

    assert product_words.nearest(shop, ["beginnrs", "nedlework"]) == {"nedlework": "needlework"}


def test_a_catalogue_that_nobody_has_counted_is_searched(tx: Tx) -> None:
    tx.execute("TRUNCATE product_search")  # as new: PostgreSQL's estimate of its rows is -1
    tx.execute(CATALOGUE)
    product_words.refresh(tx)

    counted = tx.execute(
        "SELECT reltuples FROM pg_class WHERE oid = 'product_search'::regclass"
    ).fetchone()
    assert counted == (-1,)
    assert _ids(tx, "quilt") == ["quilt", "sewing"]
    assert _ids(tx, least_gravity=Decimal(4)) == ["quilt", "uhr"]
