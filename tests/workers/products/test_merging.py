"""Listings of one product become one row: its deepest telling category, and all of its places."""

from itertools import product as combinations
from pathlib import Path
from random import Random

import pytest

from tests.conftest import Connect
from tests.workers.products.feeds import Feed
from tests.workers.products.test_syncing import sync

Place = tuple[tuple[str, ...], int]

MAIN, SUB, DEEP = ("Home",), ("Home", "Crafts"), ("Home", "Crafts", "Yarn")
NEW = ("Home", "New Products")


def _chosen(places: list[Place]) -> Place:
    """The rule once more, in other words: the deepest, then the best rank, then by name."""
    telling = [place for place in places if "New Products" not in place[0]] or places
    return sorted(telling, key=lambda place: (-len(place[0]), place[1], place[0]))[0]


@pytest.mark.parametrize(
    ("places", "best"),
    [
        ([(MAIN, 1), (SUB, 9)], (SUB, 9)),
        ([(SUB, 1), (DEEP, 900), (MAIN, 1)], (DEEP, 900)),
        ([(SUB, 3), (("Home", "Art"), 2)], (("Home", "Art"), 2)),
        ([(SUB, 2), (("Home", "Art"), 2)], (("Home", "Art"), 2)),
        ([(NEW, 1), (MAIN, 7)], (MAIN, 7)),
        ([(NEW, 5)], (NEW, 5)),
    ],
)
def test_a_product_is_shown_in_its_deepest_category_that_tells_something(
    connect: Connect, tmp_path: Path, places: list[Place], best: Place
) -> None:
    sync(Feed().add("P", *places).write(tmp_path / "f.xml"))

    shown = connect().execute("SELECT category, popularity_rank FROM products").fetchone()
    assert shown == (" > ".join(best[0]), best[1])


def test_any_listings_in_any_order_give_that_row_and_all_places(
    connect: Connect, tmp_path: Path
) -> None:
    dice = Random(11)
    paths = [MAIN, SUB, DEEP, NEW, *combinations(("Arts", "Health"), ("Yoga", "New Products"))]
    known = {
        f"p{at}": [(path, dice.randint(1, 9)) for path in dice.sample(paths, dice.randint(1, 5))]
        for at in range(300)
    }
    feed = Feed()
    for name, places in known.items():
        feed.add(name, *places)

    sync(feed.write(tmp_path / "f.xml"))

    rows = connect().execute(
        "SELECT clickbank_id, category, popularity_rank, data_snapshot -> 'categories'"
        " FROM products"
    )
    found = {name: (category, rank, listed) for name, category, rank, listed in rows}
    for name, places in known.items():
        best = _chosen(places)
        category, rank, listed = found[name]
        assert (category, rank) == (" > ".join(best[0]), best[1])
        assert sorted((one["path"], one["rank"]) for one in listed) == sorted(
            (" > ".join(path), rank) for path, rank in places
        )
