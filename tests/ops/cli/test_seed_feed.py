"""`hopfleet seed feed`: the same seed makes the same feed, and it can be taken in."""

from pathlib import Path

from integrations.feeds import opened
from integrations.marketplace import sites
from tests.ops.cli.conftest import Run


def _seed(run: Run, file: Path, *words: str) -> Path:
    assert run("seed", "feed", "--products", "400", "--file", str(file), *words).code == 0
    return file


def _elements(file: Path) -> dict[str, dict[str, str]]:
    with opened(file) as feed:
        return {site.clickbank_id: {**site.elements, "PopularityRank": ""} for site in sites(feed)}


def test_the_same_seed_makes_the_same_products(run_anywhere: Run, tmp_path: Path) -> None:
    first = _seed(run_anywhere, tmp_path / "a.xml")
    again = _seed(run_anywhere, tmp_path / "b.xml")
    other = _seed(run_anywhere, tmp_path / "c.xml", "--seed", "2")

    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes() != other.read_bytes()


def test_a_part_of_the_products_can_be_changed(run_anywhere: Run, tmp_path: Path) -> None:
    before = _elements(_seed(run_anywhere, tmp_path / "a.zip"))
    after = _elements(_seed(run_anywhere, tmp_path / "b.zip", "--changed", "10"))

    assert before.keys() == after.keys()
    assert len(before) == 400
    changed = [name for name in before if before[name] != after[name]]
    assert 20 <= len(changed) <= 60
    one = changed[0]
    assert {key for key in before[one] if before[one][key] != after[one][key]} >= {"Gravity"}


def test_a_seeded_feed_is_taken_in(run: Run, tmp_path: Path) -> None:
    file = _seed(run, tmp_path / "feed.zip")

    told = run("products", "sync", "--file", str(file), "--json").json

    assert (told["seen"], told["inserted"], told["refused"]) == (400, 400, None)
    assert 2 * 400 < told["listings"] < 4 * 400


def test_a_folder_cannot_be_written(run_anywhere: Run, tmp_path: Path) -> None:
    said = run_anywhere("seed", "feed", "--products", "1", "--file", str(tmp_path / "no" / "x.zip"))

    assert said.code == 2
    assert "cannot be written" in said.err
