"""Telling: what doors took in gets into the database, or waits for the next time."""

from pathlib import Path

import pytest

from base.ids import uuid7_hex
from db.connection import transaction
from ingest.tally import Count, Tally
from ingest.telling import LIMIT_SECONDS, Teller
from journal.appends import Batch
from journal.place import place
from journal.spool import Spool
from journal.streams import Kind
from tests.conftest import Connect


def batch() -> Batch:
    return Batch(Kind.CLICKS, uuid7_hex(60_000), 3, b"[]", b"1", {"r": 3})


@pytest.fixture
def tally(tmp_path: Path, database: str) -> Tally:
    """Three clicks that nobody has told of."""
    made = Tally(tmp_path / "tallies", "a")
    made.offer([batch()])
    return made


def test_a_database_that_takes_no_counts_is_told_them_the_next_time(
    tally: Tally, connect: Connect, tmp_path: Path
) -> None:
    session = connect()
    teller = Teller(tally, tmp_path / "spool")
    session.execute("ALTER TABLE door_counts RENAME TO no_counts")

    teller.tell()

    session.execute("ALTER TABLE no_counts RENAME TO door_counts")
    assert tally.changed() == [Count(1, "r", 3, 0, 0, 0)]


def test_a_lock_on_the_counts_holds_nobody_up_for_long(
    tally: Tally, connect: Connect, tmp_path: Path
) -> None:
    session = connect()
    # Who waits without an end gets it in the end, and has nothing left to tell.
    session.execute(f"SET idle_in_transaction_session_timeout = {int(LIMIT_SECONDS * 3000)}")
    session.execute("BEGIN")
    session.execute("LOCK TABLE door_counts IN ACCESS EXCLUSIVE MODE")

    Teller(tally, tmp_path / "spool").tell()

    session.execute("ROLLBACK")
    assert tally.changed() == [Count(1, "r", 3, 0, 0, 0)]


def test_a_spool_keeps_its_name_wherever_its_disk_goes(tally: Tally, tmp_path: Path) -> None:
    root = tmp_path / "spool"
    spool = Spool(root, "a", 1 << 30)
    spool.append([batch()])
    Teller(tally, root).tell()
    name = place(root)

    moved = root.rename(tmp_path / "elsewhere")
    with transaction() as tx:
        told = tx.execute("SELECT place FROM host_spools").fetchall()
        tx.execute("DELETE FROM host_spools")

    assert (name,) in told
    assert place(moved) == name
    spool.close()
