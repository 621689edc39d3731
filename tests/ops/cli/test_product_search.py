"""`hopfleet products search`: what scripts and people get to see."""

from pathlib import Path

import pytest

from tests.ops.cli.conftest import Run

SAMPLE = Path(__file__).parents[2] / "data" / "marketplace_sample.xml"


@pytest.fixture
def search(run: Run) -> Run:
    """Searches the sample feed's products."""
    run("products", "sync", "--file", str(SAMPLE))

    return lambda *words: run("products", "search", *words)


def test_json_is_a_list_of_products(search: Run) -> None:
    found = search(
        "patterns", "--category", "Home & Garden", "--min-gravity", "20", "--limit", "5", "--json"
    ).json

    assert [one["clickbank_id"] for one in found] == ["quiltpath"]
    assert found[0].pop("cursor")
    assert found[0] == {
        "clickbank_id": "quiltpath", "title": "Quilt Path - 40 Beginner Patterns & Video Lessons",
        "vendor": "quiltpath", "category": "Home & Garden > Crafts & Hobbies", "gravity": 48.27,
        "commission_rate": 60.0, "commission_amount": "52.18", "initial_sale_amount": "33.07",
        "refund_rate": None, "rebill": True, "rank": 1, "trend": 0.0, "vanished": False,
    }  # fmt: skip


@pytest.mark.parametrize("sort", ["relevance", "rank", "newest", "trend"])
def test_a_cursor_goes_on_behind_its_product(search: Run, sort: str) -> None:
    whole = search("--sort", sort, "--limit", "100", "--json").json
    first = search("--sort", sort, "--limit", "10", "--json").json
    rest = search("--sort", sort, "--after", first[-1]["cursor"], "--limit", "100", "--json").json

    assert len(whole) == 24
    assert [*first, *rest] == whole


def test_people_see_a_table_and_how_to_go_on(search: Run) -> None:
    page = search("--limit", "2")
    none = search("nothingofthekind")

    assert "voyelles" in page.out
    assert "$63.25" in page.out
    assert "There are more: add --after" in page.err
    assert (none.code, none.out) == (0, "")
    assert "Nothing was found" in none.err


@pytest.mark.parametrize(
    "words",
    [
        ("--sort", "fame"),
        ("--trend", "sideways"),
        ("--min-gravity", "much"),
        ("--min-gravity", "NaN"),
        ("--max-refunds", "1e99"),
        ("--after", "no-cursor"),
        ("--after", "MH5OYU5-"),
        ("--after", "\ud800"),
        ("--limit", "0"),
    ],
)
def test_what_cannot_be_meant_is_wrong_use(search: Run, words: tuple[str, ...]) -> None:
    said = search(*words)

    assert said.code == 2
    assert "Traceback" not in said.err
