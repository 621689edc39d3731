"""`hopfleet doctor` about products: an old catalogue, and a sync that ended badly."""

import os
from pathlib import Path

from ops.cli import doctor_products
from ops.cli.findings import Status
from tests.conftest import Connect
from tests.ops.cli.conftest import Run

SAMPLE = Path(__file__).parents[2] / "data" / "marketplace_sample.xml"


def test_nothing_is_said_where_products_are_not_used(database: str) -> None:
    assert list(doctor_products.check()) == []


def test_a_fresh_catalogue_is_well_though_its_feed_was_no_newer(run: Run) -> None:
    run("products", "sync", "--file", str(SAMPLE))
    run("products", "sync", "--file", str(SAMPLE))

    [found] = doctor_products.check()

    assert found.status == Status.OK


def test_an_old_catalogue_and_a_damaged_feed_are_found(
    run: Run, connect: Connect, tmp_path: Path
) -> None:
    run("products", "sync", "--file", str(SAMPLE))
    connect().execute("UPDATE product_syncs SET finished_at = now() - interval '4 days'")
    cut = tmp_path / "cut.xml"
    cut.write_bytes(SAMPLE.read_bytes()[:9000])
    run("products", "sync", "--file", str(cut))

    damaged, old = doctor_products.check()

    assert {damaged.status, old.status} == {Status.WARNING}
    assert damaged.says.startswith("The last sync was refused (")
    assert "for 4 days" in old.says


def test_an_older_feed_makes_no_catalogue_fresh(run: Run, connect: Connect, tmp_path: Path) -> None:
    run("products", "sync", "--file", str(SAMPLE))
    connect().execute("UPDATE product_syncs SET finished_at = now() - interval '4 days'")
    older = tmp_path / "older.xml"
    older.write_bytes(SAMPLE.read_bytes())
    os.utime(older, (1_000_000_000, 1_000_000_000))
    run("products", "sync", "--file", str(older))

    refused, old = doctor_products.check()

    assert "is older than" in refused.says
    assert "for 4 days" in old.says


def test_a_sync_that_was_stopped_by_hand_is_no_trouble(run: Run, connect: Connect) -> None:
    run("products", "sync", "--file", str(SAMPLE))
    connect().execute(
        "INSERT INTO product_syncs (source, asked_by, state, outcome)"
        " VALUES ('feed', 'command', 'done', 'cancelled')"
    )

    [found] = doctor_products.check()

    assert found.status == Status.OK


def test_a_dead_sync_is_found(run: Run, connect: Connect) -> None:
    run("products", "sync", "--file", str(SAMPLE))
    connect().execute(
        "INSERT INTO product_syncs (source, asked_by, state, reason, last_error)"
        " VALUES ('feed', 'schedule', 'dead', 'lost', 'It was killed too often.')"
    )

    found = next(iter(doctor_products.check()))

    assert found.says.startswith("The last sync died (It was killed too often):")
