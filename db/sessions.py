"""Database sessions of drains: named after their consumer, bounded, ended when it is dead."""

from datetime import datetime

from db.connection import Tx


def begin_drain(tx: Tx, name: str, seconds: float) -> datetime:
    """Name this transaction's session and bound it, both until its end; returns the time.

    `synchronous_commit` is set too: a role's default must not make an acknowledged row volatile.
    """
    ms = str(int(seconds * 1000))
    row = tx.execute(
        "SELECT clock_timestamp(), set_config('application_name', %s, true),"
        " set_config('statement_timeout', %s, true),"
        " set_config('idle_in_transaction_session_timeout', %s, true),"
        " set_config('lock_timeout', %s, true),"
        " set_config('synchronous_commit', 'on', true)",
        (name[:63], ms, ms, ms),
    ).fetchone()
    assert row is not None
    at: datetime = row[0]
    return at


def end(tx: Tx, name: str) -> int:
    """End the sessions of a dead consumer; returns how many there were."""
    row = tx.execute(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE application_name = %s AND pid <> pg_backend_pid()",
        (name[:63],),
    ).fetchone()
    return int(row[0]) if row else 0
