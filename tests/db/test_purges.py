"""Purges: marked once, claimed by one, taken over when the lease has run out."""

from uuid import uuid4

from db import purges, work
from db.connection import Tx
from db.purges import Purge


def test_a_marked_purge_is_claimed_by_one(tx: Tx) -> None:
    key = uuid4()
    purges.mark(tx, "user", key)

    row = purges.claim(tx, "user", key, 60)

    assert row is not None
    assert (row["noun"], row["key"], row["state"], row["attempts"]) == ("user", key, "running", 1)
    assert purges.claim(tx, "user", key, 60) is None
    assert purges.claim(tx, "campaign", key, 60) is None


def test_a_purge_whose_lease_ran_out_is_claimed_anew(tx: Tx) -> None:
    key = uuid4()
    purges.mark(tx, "user", key)
    lost = purges.claim(tx, "user", key, -1)

    taken = purges.claim(tx, "user", key, 60)

    assert lost is not None
    assert taken is not None
    assert taken["attempts"] == 2
    assert not work.finish(tx, Purge, lost["id"], lost["attempts"], "purged")


def test_the_state_of_a_purge_is_known(tx: Tx) -> None:
    key = uuid4()
    before = purges.state(tx, "user", key)
    purges.mark(tx, "user", key)
    row = purges.claim(tx, "user", key, 60)
    assert row is not None

    work.finish(tx, Purge, row["id"], row["attempts"], "purged")

    assert (before, purges.state(tx, "user", key)) == (None, "done")
    assert purges.claim(tx, "user", key, 60) is None


def test_what_goes_with_no_foreign_key_is_known_and_purged_by_hand(tx: Tx) -> None:
    left = tx.execute(
        "WITH RECURSIVE gone (name) AS (SELECT 'users'::regclass UNION"
        "  SELECT conrelid::regclass FROM pg_constraint JOIN gone ON confrelid = gone.name"
        "  WHERE contype = 'f' AND confdeltype = 'c')"
        " SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')"
        " AND attname = 'user_id' AND pg_class.oid NOT IN (SELECT name FROM gone) ORDER BY 1"
    ).fetchall()

    # workers/maintenance/purging.py deletes these; what it does not delete outlives its user.
    assert [row[0] for row in left] == ["held_events", "webhooks"]
