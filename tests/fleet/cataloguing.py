"""Syncs of a fleet's catalogue, held at the stage where a test wants to strike."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from tests.fleet.fleet import Fleet
from tests.fleet.program import Program, until
from tests.workers.products.feeds import Feed
from workers.products.feed import CHUNK

COUNT = CHUNK + 500  # products: two chunks of changes
_SECONDS = 30.0

# What a sync needs at this stage and somebody else has, who came first. `merge` is another case.
_LOCKS = {
    "apply": "SELECT FROM products WHERE clickbank_id = 'p5' FOR UPDATE",
    "before the end": "LOCK TABLE product_absences IN SHARE MODE",
    "after the end": "LOCK TABLE product_words IN SHARE MODE",
}
STAGES = ("read", "merge", *_LOCKS)


def feed(path: Path, gravity: int, count: int = COUNT) -> Path:
    """A feed whose products all have this gravity, and a description that tells it."""
    path.parent.chmod(0o755)
    return Feed().many(count, gravity=gravity, description=f"of {gravity}").write(path)


def begin(fleet: Fleet, folder: Path, count: int = COUNT) -> tuple[int, Path]:
    """The catalogue has one gravity throughout; returns it, and a feed of which it is one more."""
    if list(catalogue(fleet).values()) != [count]:
        fleet.sql("DELETE FROM product_syncs WHERE state <> 'running'")
        fleet.sql("DELETE FROM products WHERE clickbank_id ~ '^p[0-9]+$'")
        fleet.hopfleet("products", "sync", "--file", str(feed(folder / "old.xml", 10, count)))
    (gravity,) = catalogue(fleet)
    return gravity, feed(folder / "new.xml", gravity + 1, count)


def catalogue(fleet: Fleet) -> dict[int, int]:
    """How many products have which gravity; fails where a row does not agree with itself."""
    rows = fleet.sql(
        "SELECT p.gravity::int, count(*), count(s.product_id),"
        " count(*) FILTER (WHERE p.description = 'of ' || p.gravity::int),"
        " count(*) FILTER (WHERE p.data_snapshot ->> 'Gravity' = p.gravity::int::text)"
        " FROM products p LEFT JOIN product_states s ON s.product_id = p.id"
        " WHERE p.clickbank_id ~ '^p[0-9]+$' GROUP BY 1"
    )
    for _, count, *others in rows:
        assert set(others) == {count}, rows
    return {row[0]: row[1] for row in rows}


def ask(fleet: Fleet, address: Path | str) -> int:
    """Ask for a sync, as the daily chore does; the worker takes it within a second or two."""
    rows = fleet.sql(
        "INSERT INTO product_syncs (source, address, asked_by) VALUES ('feed', %s, 'schedule')"
        " RETURNING id", str(address),
    )  # fmt: skip
    return int(rows[0][0])


def command(fleet: Fleet, *words: str, **settings: str) -> Program:
    """`hopfleet products sync …` that has begun, with a log of its own."""
    told = {f"HOPFLEET_{name.upper()}": value for name, value in settings.items()}
    found = Program(
        f"sync{newest(fleet)}", ("products", "sync", *words),
        {**fleet.programs["upkeep"].environment, **told}, fleet.folder,
    )  # fmt: skip
    found.start()
    return found


def newest(fleet: Fleet) -> int:
    """The id of the sync that was asked for last."""
    return int(fleet.sql("SELECT coalesce(max(id), 0) FROM product_syncs")[0][0])


def state(fleet: Fleet, sync_id: int) -> tuple[str, str | None]:
    """Of a sync: its state and outcome."""
    ((found, outcome),) = fleet.sql(
        "SELECT state, outcome FROM product_syncs WHERE id = %s", sync_id
    )
    return found, outcome


def forsaken(fleet: Fleet) -> None:
    """The lease of whoever was killed runs out at once."""
    fleet.sql("UPDATE product_syncs SET lease_until = now() WHERE state = 'running'")


def until_applied(fleet: Fleet, sync_id: int) -> None:
    """Wait until a sync has come to its end, by whomever."""
    until(lambda: _applied(fleet, sync_id), 60, "the sync comes to its end")


def _applied(fleet: Fleet, sync_id: int) -> bool:
    # Whoever could still say that something failed has it tried again in a minute.
    fleet.sql("UPDATE product_syncs SET next_attempt_at = now() WHERE state = 'pending'")
    return state(fleet, sync_id) == ("done", "applied")


@contextmanager
def held(fleet: Fleet, stage: str) -> Iterator["Hold"]:
    """A sync that begins in this block comes to a stage and stays there."""
    with fleet.connect() as session, fleet.connect() as watching:
        hold = Hold(session, watching, stage)
        try:
            yield hold
        finally:
            with suppress(psycopg.OperationalError):  # PostgreSQL was killed
                hold.release()


class Hold:
    """What keeps a sync from going on."""

    def __init__(self, session: psycopg.Connection[Any], watching: Any, stage: str) -> None:
        self._session, self._watching, self._stage = session, watching, stage
        session.execute("BEGIN")
        if stage in _LOCKS:
            session.execute(_LOCKS[stage].encode())

    def until_there(self, before: int) -> int:
        """Wait until a sync newer than this one is there; returns its id."""
        if self._stage == "read":
            until(lambda: self._one(_READING), _SECONDS, "the feed is read")
        else:
            if self._stage == "merge":
                until(lambda: self._one(_READING), _SECONDS, "there are staging tables")
                table = self._one("SELECT max(id) FROM product_syncs")
                # In the queue behind the COPY, and before the statement that merges.
                self._session.execute(
                    f"LOCK TABLE archive.feed_{table}_listings IN ACCESS EXCLUSIVE MODE".encode()
                )
            pid = self._session.info.backend_pid
            waits = f"SELECT 1 FROM pg_locks WHERE {pid} = ANY(pg_blocking_pids(pid))"
            until(lambda: self._one(waits), _SECONDS, f"the sync waits at {self._stage}")
        found = self._one("SELECT max(id) FROM product_syncs")
        assert found > before
        return int(found)

    def _one(self, statement: str) -> Any:
        row = self._watching.execute(statement).fetchone()
        return row[0] if row else None

    def release(self) -> None:
        """Let it go on."""
        if not self._session.closed:
            self._session.execute("ROLLBACK")


_READING = """
    SELECT 1 FROM pg_stat_progress_copy p JOIN pg_class c ON c.oid = p.relid
    WHERE c.relname ~ '^feed_[0-9]+_listings$' AND p.tuples_processed > 0
"""
