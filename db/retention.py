"""Retention: what is over and was kept for its time goes, a chunk at a time, the oldest first."""

from db.connection import Tx

_OLD = "statement_timestamp() - make_interval(days => %s)"


def runs(tx: Tx, days: int, limit: int) -> int:
    """Delete runs that ended so long ago, with their steps and calls; returns how many."""
    return _ended(tx, "workflow_runs", days, limit)


def calls(tx: Tx, days: int, limit: int) -> int:
    """Delete calls that ended so long ago, with their attempts; returns how many."""
    return _ended(tx, "calls", days, limit)


def delivery_attempts(tx: Tx, days: int, limit: int) -> int:
    """Delete tries of that age to hand over a bonus; the deliveries stay. Returns how many."""
    return _first(tx, "delivery_attempts", days, limit)


def notes(tx: Tx, days: int, limit: int) -> int:
    """Delete what workflows wrote down so long ago; returns how many."""
    return _first(tx, "workflow_notes", days, limit)


def product_syncs(tx: Tx, days: int) -> int:
    """Delete syncs of that age, but for the last of each source that was applied."""
    done = tx.execute(
        f"DELETE FROM product_syncs WHERE created_at < {_OLD} AND state IN ('done', 'dead')"
        " AND id NOT IN (SELECT max(id) FROM product_syncs WHERE outcome = 'applied'"
        "  GROUP BY source)",
        (days,),
    )
    return done.rowcount


def product_history(tx: Tx, days: int, limit: int) -> int:
    """Delete days of products' history that are so long ago; returns how many."""
    done = tx.execute(
        "DELETE FROM product_history WHERE ctid = ANY(ARRAY(SELECT ctid FROM product_history"
        "  WHERE day < (statement_timestamp() AT TIME ZONE 'UTC')::date - %s LIMIT %s))",
        (days, limit),
    )
    return done.rowcount


def refused_posts(tx: Tx, days: int, limit: int) -> int:
    """Forget posts that could not be published and that nobody has replayed for so long."""
    done = tx.execute(
        "DELETE FROM publications WHERE id IN (SELECT id FROM publications WHERE state = 'dead'"
        f" AND next_attempt_at < {_OLD} LIMIT %s FOR UPDATE SKIP LOCKED)",
        (days, limit),
    )
    return done.rowcount


def _ended(tx: Tx, table: str, days: int, limit: int) -> int:
    """By the index on `ended_at`, which is set once nobody works on a row any more."""
    done = tx.execute(
        f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE ended_at < {_OLD}"
        "  AND state IN ('done', 'dead') ORDER BY ended_at LIMIT %s FOR UPDATE SKIP LOCKED)",
        (days, limit),
    )
    return done.rowcount


def _first(tx: Tx, table: str, days: int, limit: int) -> int:
    """By the primary key, which grows with time: no index on the age is needed."""
    done = tx.execute(
        f"DELETE FROM {table} WHERE id IN (SELECT id FROM (SELECT id, created_at FROM {table}"
        f"  ORDER BY id LIMIT %s) AS first WHERE created_at < {_OLD})",
        (limit, days),
    )
    return done.rowcount
