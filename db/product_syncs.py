"""Syncs of the catalogue: one work row each, what it found, and why it was refused."""

from datetime import datetime
from typing import Any

from psycopg.rows import dict_row
from sqlalchemy import BigInteger, CheckConstraint, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from db import work
from db.connection import Tx
from db.table import At, Base, CreatedAt, Long, Word
from db.work import WorkRow

FEED, API, SEARCH = "feed", "api", "search"
MOST_ATTEMPTS = 10  # of a sync whose processes die
SESSION = "hopfleet sync"  # what the long sessions of a sync are called


class ProductSync(WorkRow, Base):
    """One run over one source: asked, fetched, staged, applied; or refused, or dead.

    `address` is a URL without its password, or a file on `host`; `file` is what was fetched, there.
    `done_share` is how far the stage is, 0 to 1. `seen` are products, `listings` their places in
    the feed's categories, `missing` those that earlier feeds had and this one has not. `unasked`
    is what an API's limits left for the next run.
    """

    __tablename__ = "product_syncs"
    kind_column = "source"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'running', 'done', 'dead')", name="state"),
        Index(
            "idx_product_syncs_due", "next_attempt_at", postgresql_where=text("state = 'pending'")
        ),
        Index("idx_product_syncs_state", "state"),
        Index(
            "idx_product_syncs_running",
            "state",
            unique=True,
            postgresql_where=text("state = 'running'"),
        ),
    )

    source: Mapped[Word]
    address: Mapped[Long | None]
    is_forced: Mapped[bool] = mapped_column(server_default=false())
    asked_by: Mapped[Word]
    stage: Mapped[Word] = mapped_column(server_default="asked")
    host: Mapped[Word | None]
    file: Mapped[Long | None]
    etag: Mapped[Long | None]
    last_modified: Mapped[Long | None]
    digest: Mapped[Word | None]
    feed_at: Mapped[At | None]
    started_at: Mapped[At | None]
    finished_at: Mapped[At | None]
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    done_share: Mapped[float | None]
    listings: Mapped[int | None] = mapped_column(BigInteger)
    seen: Mapped[int | None] = mapped_column(BigInteger)
    inserted: Mapped[int | None] = mapped_column(BigInteger)
    updated: Mapped[int | None] = mapped_column(BigInteger)
    unchanged: Mapped[int | None] = mapped_column(BigInteger)
    missing: Mapped[int | None] = mapped_column(BigInteger)
    refused: Mapped[Long | None]
    unasked: Mapped[int | None] = mapped_column(BigInteger)
    skipped: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]


Row = dict[str, Any]


def ask(tx: Tx, source: str, address: str | None, *, is_forced: bool, asked_by: str) -> int:
    """Add a sync that is due; of the same source, address and force one that waits serves."""
    waiting = tx.execute(
        "SELECT id FROM product_syncs WHERE state = 'pending' AND stage = 'asked'"
        " AND source = %(source)s AND address IS NOT DISTINCT FROM %(address)s"
        " AND is_forced = %(forced)s AND asked_by = %(by)s FOR UPDATE SKIP LOCKED LIMIT 1",
        {"source": source, "address": address, "forced": is_forced, "by": asked_by},
    ).fetchone()
    row = (
        waiting
        or tx.execute(
            "INSERT INTO product_syncs (source, address, is_forced, asked_by)"
            " VALUES (%s, %s, %s, %s) RETURNING id",
            (source, address, is_forced, asked_by),
        ).fetchone()
    )
    assert row is not None
    return int(row[0])


def running(tx: Tx) -> Row | None:
    """The sync that somebody works on; those whose lease ran out are due again before."""
    # A feed that ends whoever reads it would end the next one, too.
    tx.execute(
        "UPDATE product_syncs SET state = 'dead', reason = 'lost', lease_until = NULL,"
        " finished_at = clock_timestamp(), last_error = 'Nobody who began it came back.'"
        " WHERE state = 'running' AND lease_until < clock_timestamp() AND attempts >= %s",
        (MOST_ATTEMPTS,),
    )
    work.reclaim(tx, ProductSync)
    return _one(tx, "state = 'running'", ())


def take(tx: Tx, sync_id: int | None, host: str, lease_seconds: float) -> Row | None:
    """Begin one, or the longest waiting; None when there is none. Look for `running` before."""
    which = "id = %(id)s" if sync_id is not None else "next_attempt_at <= statement_timestamp()"
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "WITH due AS MATERIALIZED (SELECT id FROM product_syncs WHERE state = 'pending'"
            f"  AND {which} ORDER BY next_attempt_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)"
            " UPDATE product_syncs AS work SET state = 'running', attempts = attempts + 1,"
            "  lease_until = clock_timestamp() + make_interval(secs => %(lease)s),"
            "  started_at = coalesce(started_at, clock_timestamp()), last_error = NULL,"
            "  finished_at = NULL,"
            # Files and staging tables of another host's are not here: it begins anew.
            "  stage = CASE WHEN host = %(host)s THEN stage ELSE 'asked' END,"
            "  file = CASE WHEN host = %(host)s THEN file END, host = %(host)s"
            " FROM due WHERE work.id = due.id RETURNING work.*",
            {"id": sync_id, "host": host, "lease": lease_seconds},
        ).fetchone()


def end_sessions(tx: Tx) -> None:
    """End what a process that lost its sync has open: it would keep rows and tables locked."""
    tx.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
        " AND usename = current_user AND datname = current_database()"
        " AND pid <> pg_backend_pid()",
        (SESSION,),
    )


def now(tx: Tx) -> datetime:
    """The database's clock."""
    row = tx.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def note(tx: Tx, sync_id: int, attempts: int, **columns: object) -> bool:
    """Write down what is known by now; False when the lease was lost."""
    names = ", ".join(f"{name} = %({name})s" for name in columns)
    done = tx.execute(
        f"UPDATE product_syncs SET {names}"
        " WHERE id = %(id)s AND state = 'running' AND attempts = %(attempts)s",
        {**columns, "id": sync_id, "attempts": attempts},
    )
    return done.rowcount == 1


def last_applied(tx: Tx, source: str) -> Row | None:
    """The newest sync of a source that changed the catalogue, or found nothing to change."""
    return _one(tx, "outcome = 'applied' AND source = %s", (source,))


def last_fetched(tx: Tx, source: str) -> Row | None:
    """The newest sync of a source that was applied and came from an address of the web."""
    return _one(
        tx,
        "outcome = 'applied' AND source = %s AND strpos(address, '://') > 0",
        (source,),
    )


def last_ended(tx: Tx, source: str) -> Row | None:
    """The newest sync of a source that is over, well or not."""
    return _one(tx, "state IN ('done', 'dead') AND source = %s", (source,))


def feed_age_seconds(tx: Tx) -> float | None:
    """How long ago the products were last what the feed says; None when they never were.

    A feed that has not changed since the last counts: there was nothing to take. One that is
    older than the last does not: it is none of today.
    """
    row = tx.execute(
        "SELECT extract(epoch FROM clock_timestamp() - finished_at)::float8 FROM product_syncs"
        " WHERE (outcome = 'applied' OR reason = 'not_newer') AND source = 'feed'"
        " ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return row[0] if row else None


def by_id(tx: Tx, sync_id: int) -> Row | None:
    """All columns of one."""
    return _one(tx, "id = %s", (sync_id,))


def unended(tx: Tx) -> list[int]:
    """Syncs that wait or run, and dead ones that may be replayed: theirs is what is staged."""
    rows = tx.execute("SELECT id FROM product_syncs WHERE state <> 'done'")
    return [row[0] for row in rows]


def files(tx: Tx) -> set[str]:
    """What was fetched for those, on whichever host."""
    rows = tx.execute("SELECT file FROM product_syncs WHERE state <> 'done' AND file IS NOT NULL")
    return {row[0] for row in rows}


def lately(tx: Tx, source: str, seconds: float) -> Row | None:
    """The newest sync of a source that waits, runs, or ended no longer ago."""
    return _one(
        tx,
        "source = %s AND (state IN ('pending', 'running')"
        " OR finished_at > clock_timestamp() - make_interval(secs => %s))",
        (source, seconds),
    )


def latest(tx: Tx, limit: int, before: int | None = None) -> list[Row]:
    """The newest ones, all columns, the newest first; those with a smaller id than `before`."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT * FROM product_syncs WHERE %(before)s::bigint IS NULL OR id < %(before)s"
            " ORDER BY id DESC LIMIT %(limit)s",
            {"before": before, "limit": limit},
        ).fetchall()


def finished_before(tx: Tx, sync_id: int) -> datetime | None:
    """When the last feed before this sync was applied."""
    row = tx.execute(
        "SELECT max(finished_at) FROM product_syncs"
        " WHERE outcome = 'applied' AND source = 'feed' AND id < %s",
        (sync_id,),
    ).fetchone()
    return row[0] if row else None


def _one(tx: Tx, where: str, values: tuple[object, ...]) -> Row | None:
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            f"SELECT * FROM product_syncs WHERE {where} ORDER BY id DESC LIMIT 1", values
        ).fetchone()
