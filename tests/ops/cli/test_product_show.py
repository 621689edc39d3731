"""`hopfleet products show`, `history` and `syncs`: what is known of products and their syncs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import make
from tests.conftest import Connect
from tests.ops.cli.conftest import Run
from tests.workers.products.feeds import Feed

SAMPLE = Path(__file__).parents[2] / "data" / "marketplace_sample.xml"


def test_a_product_is_shown_with_its_listings_and_hoplink(run: Run, connect: Connect) -> None:
    run("products", "sync", "--file", str(SAMPLE))
    tx = connect()
    user = make.user(tx)
    make.integration(tx, user["id"], settings={"nickname": "Maplewick"})
    row = tx.execute("SELECT id FROM products WHERE clickbank_id = 'quiltpath'").fetchone()
    assert row is not None
    make.campaign(tx, user_id=user["id"], product_id=row[0])

    told = run("products", "show", "QuiltPath", "--user", user["email"], "--json").json
    spoken = run("products", "show", "quiltpath")

    assert (told["clickbank_id"], told["commission_amount"], told["gravity"]) == (
        "quiltpath", "52.18", 48.27,
    )  # fmt: skip
    assert told["hoplink"] == "https://hop.clickbank.net/?affiliate=maplewick&vendor=quiltpath"
    assert "Home & Garden > Crafts & Hobbies" in [one["path"] for one in told["categories"]]
    assert (told["campaigns"], told["vanished_at"], len(told["gravity_days"])) == (1, None, 90)
    assert told["last_seen_at"].endswith("Z")
    assert "$52.18" in spoken.out
    assert "▁" in spoken.out


def test_an_unknown_id_names_those_like_it(run: Run) -> None:
    run("products", "sync", "--file", str(SAMPLE))

    said = run("products", "show", "quiltpaht")

    assert (said.code, said.out) == (1, "")
    assert "did you mean quiltpath" in said.err


def test_a_history_begins_with_what_held_on_its_first_day(run: Run, connect: Connect) -> None:
    tx = connect()
    made = make.product(tx, clickbank_id="aaa", gravity="30")
    today = datetime.now(UTC).date()
    for ago, gravity in ((40, "10"), (20, "20"), (5, "30")):
        day = today - timedelta(days=ago)
        make.insert(
            tx, "product_history", {"product_id": made["id"], "day": day, "gravity": gravity}
        )
    since = (today - timedelta(days=30)).isoformat()

    days = run("products", "history", "AAA", "--from", since, "--json").json["days"]
    spoken = run("products", "history", "aaa")
    shown = run("products", "show", "aaa", "--json").json

    assert [one["gravity"] for one in days] == [10.0, 20.0, 30.0]
    assert "▁" * 20 in spoken.out
    assert "█" * 6 in spoken.out
    assert shown["gravity_days"][:49] == [None] * 49
    assert shown["gravity_days"][-6:] == [30.0] * 6


def test_a_history_ends_today_whatever_day_is_asked_for(run: Run, connect: Connect) -> None:
    tx = connect()
    made = make.product(tx, clickbank_id="aaa", gravity="30")
    today = datetime.now(UTC).date()
    make.insert(tx, "product_history", {"product_id": made["id"], "day": today, "gravity": "30"})

    spoken = run("products", "history", "aaa", "--to", "9999-12-31")
    ahead = run("products", "history", "aaa", "--from", "9999-12-31")

    assert "9999" not in spoken.err
    assert spoken.out.count("▁") == 1
    assert (ahead.code, ahead.out) == (2, "")
    assert "--from is in the future" in ahead.err


def test_syncs_say_what_they_changed_and_why_they_were_refused(run: Run, tmp_path: Path) -> None:
    run("products", "sync", "--file", str(SAMPLE))
    run("products", "sync", "--file", str(Feed().many(2).write(tmp_path / "small.xml")))

    first = run("products", "syncs", "--limit", "1", "--json").json
    rest = run("products", "syncs", "--after", first["next"], "--json").json
    spoken = run("products", "syncs")

    assert [one["outcome"] for one in first["items"]] == ["refused"]
    assert "--force" in first["items"][0]["refused"]
    assert [(one["outcome"], one["inserted"]) for one in rest["items"]] == [("applied", 24)]
    assert rest["next"] is None
    assert "refused: smaller" in spoken.out
    assert "The feed has 2 products" in spoken.out


@pytest.mark.parametrize(
    "words",
    [
        ("history", "x", "--from", "yesterday"),
        ("history", "x", "--from", "2026-02-01", "--to", "2026-01-01"),
        ("syncs", "--after", "x"),
        ("show", ""),
        ("show", "\udcff"),
        ("history", "x" * 101),
    ],
)
def test_wrong_use_is_exit_code_2(run: Run, words: tuple[str, ...]) -> None:
    assert run("products", *words).code == 2
