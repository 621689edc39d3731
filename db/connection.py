"""The pool of connections, and the one transaction a piece of work runs in."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import NamedTuple

import psycopg
from psycopg import IsolationLevel
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from base.errors import StoreAway
from base.settings import settings
from db.moments import Moments
from db.silence import bounded
from db.texts import Texts

Tx = psycopg.Connection[TupleRow]

# A lost host is noticed in seconds, not in the kernel's two hours.
_KEEPALIVE = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


_IDLE_SESSIONS = 1  # of a process that has nothing to do; others come within milliseconds
_making = threading.Lock()
_role = ""


def serve(role: str) -> None:
    """Say, before the first use, what this process is: how many sessions it needs hangs on it."""
    global _role
    _role = role


def pool() -> ConnectionPool[Tx]:
    """This process's pool, made on first use; sizes and timeout by setting."""
    with _making:  # the cache alone would let two threads make one each
        return _pool()


@cache
def _pool() -> ConnectionPool[Tx]:
    chosen = settings()
    return ConnectionPool(
        chosen.database,
        kwargs={**_KEEPALIVE, "application_name": "hopfleet"},
        min_size=_IDLE_SESSIONS,
        max_size=chosen.sessions(_role),
        timeout=chosen.pool_timeout_seconds,
        configure=_configure,
        max_idle=60,
        reconnect_timeout=10,
        open=True,
    )


def close_pool() -> None:
    """End this process's pool, if it was ever made; the next use makes another."""
    with _making:
        if _pool.cache_info().currsize:
            _pool().close()
            _pool.cache_clear()


class PoolUse(NamedTuple):
    """A pool's sessions now, and what was asked of it since it was made."""

    open: int
    idle: int
    most: int
    waiting: int  # who waits for one
    requests: int
    refused: int  # not had in time
    wait_seconds: float


def pool_use() -> PoolUse | None:
    """How this process's pool is used; None when it was never made."""
    with _making:
        if not _pool.cache_info().currsize:
            return None
        found = _pool().get_stats()
    return PoolUse(
        found["pool_size"],
        found["pool_available"],
        found["pool_max"],
        found.get("requests_waiting", 0),
        found.get("requests_num", 0),
        found.get("requests_errors", 0),
        found.get("requests_wait_ms", 0) / 1000,
    )


def _configure(connection: Tx) -> None:
    # Whatever a role or database has as its default: waiting for a ledger entry and then seeing
    # it needs a fresh snapshot for each statement.
    connection.isolation_level = IsolationLevel.READ_COMMITTED
    connection.adapters.register_loader("timestamptz", Moments)
    if connection.info.encoding == "utf-8":
        connection.adapters.register_dumper(list, Texts)


@contextmanager
def transaction(
    *, wait_seconds: float | None = None, limit_seconds: float | None = None
) -> Iterator[Tx]:
    """One transaction: commits at the end of the block, rolls back when it raises.

    Raises `StoreAway` when no connection can be had within `wait_seconds` (default: the
    pool's own timeout), so that callers need not know psycopg to tell an outage from a bug.
    After `limit_seconds` the session is hung up: whatever waits for it, the commit included,
    raises psycopg's `OperationalError`, and whether it was committed is unknown.
    """
    try:
        context = pool().connection(timeout=wait_seconds)
        tx = context.__enter__()
    except (PoolTimeout, psycopg.OperationalError) as error:
        raise StoreAway("PostgreSQL did not give a connection in time.") from error
    with bounded(tx.fileno(), limit_seconds) if limit_seconds else nullcontext():
        try:
            yield tx
        except BaseException as error:
            broken = tx.broken or tx.closed
            suppressed = context.__exit__(type(error), error, error.__traceback__)
            if broken:
                # The server has restarted: its other connections are as dead, and each would cost
                # somebody a failed transaction. Asking them would wait for one that is silent.
                pool().drain()
            if not suppressed:
                raise
        else:
            context.__exit__(None, None, None)
