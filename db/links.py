"""Links: what a tracking id leads to, and the log of what changed about links and keys."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from base.errors import Transient
from db.connection import Tx
from db.table import NOW, Base, Long, Moment, Serial, Str20


class CursorLost(Transient):
    """Changes between the cursor and now are not known any more: forget all, start anew."""


class Xid8(UserDefinedType[str]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """How the type is written in a table."""
        return "xid8"


class LinkChange(Base):
    """One thing about links or keys that changed; triggers write it, doors poll it."""

    __tablename__ = "link_changes"
    __table_args__ = (
        Index("idx_link_changes_xact", "xact"),
        Index("idx_link_changes_changed_at", "changed_at"),
        Index("idx_link_changes_pruned", "id", postgresql_where=text("noun = 'pruned'")),
    )

    id: Mapped[Serial]
    xact: Mapped[str] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    noun: Mapped[Str20]
    key: Mapped[Long]
    changed_at: Mapped[datetime] = mapped_column(Moment, server_default=NOW)


class LinkRow(NamedTuple):
    """All a door needs to know about a tracking id."""

    tracking_id: str
    campaign_id: str
    user_id: str
    status: str
    affiliate_link: str | None
    settings: dict[str, Any] | None
    user_status: str
    account_fallback_url: str | None


# What is marked for deletion is gone for visitors; a purge that is done speaks of an older row.
_FIND = """
    SELECT c.tracking_id, c.id::text, c.user_id::text, c.status, c.affiliate_link, c.settings,
           u.status, a.fallback_url
    FROM campaigns c
    JOIN users u ON u.id = c.user_id
    LEFT JOIN accounts a ON a.user_id = c.user_id
    WHERE c.tracking_id = ANY(%s::text[])
      AND NOT EXISTS (SELECT FROM purges p WHERE p.state <> 'done'
                      AND (p.noun, p.key) IN (('campaign', c.id), ('user', c.user_id)))
"""


def find(tx: Tx, tracking_ids: Iterable[str]) -> list[LinkRow]:
    """The rows of those tracking ids that exist and are not being deleted.

    `settings` is None when what stands there is no JSON object.
    """
    rows = [LinkRow(*row) for row in tx.execute(_FIND, (list(tracking_ids),))]
    return [row if isinstance(row.settings, dict) else row._replace(settings=None) for row in rows]


def page(tx: Tx, after: str, count: int) -> list[str]:
    """The next `count` tracking ids behind `after`, in the order of their index."""
    found = tx.execute(
        "SELECT tracking_id FROM campaigns WHERE tracking_id > %s ORDER BY tracking_id LIMIT %s",
        (after, count),
    )
    return [row[0] for row in found]


class Cursor(NamedTuple):
    """How far changes were read: a snapshot, which also knows who had not committed yet."""

    snapshot: str
    database: int
    newest_id: int  # 0: the log was empty


_STATE = """
    SELECT pg_current_snapshot()::text AS snapshot,
           (SELECT oid FROM pg_database WHERE datname = current_database())::bigint AS database,
           (SELECT coalesce(max(id), 0) FROM link_changes) AS newest_id,
           (SELECT coalesce(max(id), 0) FROM link_changes WHERE noun = 'pruned') AS pruned_id
"""
# What that snapshot could not see: transactions it knew as running, and later ones. The upper
# end keeps out rows that a restored dump brought from a server with higher transaction ids.
_CHANGES = f"""
    WITH state AS ({_STATE}), news AS (
        SELECT id, noun, key FROM link_changes
        WHERE xact = ANY(ARRAY(SELECT pg_snapshot_xip(%(snapshot)s::pg_snapshot)))
        UNION ALL
        SELECT id, noun, key FROM link_changes
        WHERE xact >= pg_snapshot_xmax(%(snapshot)s::pg_snapshot)
          AND xact < pg_snapshot_xmax(pg_current_snapshot()))
    SELECT state.*,
           pg_snapshot_xmax(%(snapshot)s::pg_snapshot) <= pg_snapshot_xmax(pg_current_snapshot()),
           news.noun, news.key
    FROM state LEFT JOIN news ON true ORDER BY news.id
"""


def changes(tx: Tx, since: Cursor | None) -> tuple[list[tuple[str, str]], Cursor]:
    """What changed since the cursor, as (noun, key), and the cursor for the next time.

    Nouns: `link` (tracking id), `user` (id), `key` (hex digest), `all`. A change is reported by
    the first call after its commit, however late that is. Without a cursor: nothing, and where
    to begin. Raises `CursorLost` when changes were pruned that the cursor had not seen, or the
    database is another or an older one than before.
    """
    if since is None:
        row = tx.execute(_STATE).fetchone()
        assert row is not None
        return [], Cursor(*row[:3])
    rows = tx.execute(_CHANGES, {"snapshot": since.snapshot}).fetchall()
    now, (pruned_id, later) = Cursor(*rows[0][:3]), rows[0][3:5]
    if (
        not later
        or now.database != since.database
        or now.newest_id < since.newest_id
        or pruned_id > since.newest_id
    ):
        raise CursorLost("The log of changes does not reach back to what was read last.")
    found = dict.fromkeys((row[5], row[6]) for row in rows if row[5] is not None)
    return list(found), now


def prune(tx: Tx, keep_hours: float) -> int:
    """Delete older changes; the newest of them stays as the mark of how far that went.

    Keep longer than any transaction that changes links may stay open. Returns how many went.
    """
    done = tx.execute(
        "WITH old AS MATERIALIZED (SELECT id FROM link_changes"
        "  WHERE changed_at < statement_timestamp() - make_interval(secs => %s)),"
        " mark AS (UPDATE link_changes SET noun = 'pruned', key = ''"
        "  WHERE id = (SELECT max(id) FROM old))"
        " DELETE FROM link_changes WHERE id IN (SELECT id FROM old)"
        " AND id < (SELECT max(id) FROM old)",
        (keep_hours * 3600,),
    )
    return done.rowcount
