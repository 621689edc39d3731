"""Faults by name: how each is done, how it ends, how long it lasts, and what goes on meanwhile.

A new fault is one more line of a table here, or a table of its own elsewhere with the same shape.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from typing import NamedTuple

import psutil
import psycopg

from db.connection import Tx
from ops.local.server import secret_in
from tests.fleet.fleet import Fleet
from tests.fleet.traffic import Traffic

# A claim is taken over after ten seconds of silence, so the worker goes first.
PARTS = ("worker", "ingest", "scheduler", "journal", "broker", "postgres")

# Entering the block does it, leaving the block ends it.
Strike = Callable[[Fleet, Traffic], AbstractContextManager[None]]


class Fault(NamedTuple):
    """One misfortune; nothing acked may be lost or stored twice, whatever it is."""

    name: str
    strike: Strike
    seconds: float = 0  # how long it lasts; 0 ends at once, and recovery counts from its start
    short_seconds: float = 0  # the same in `make test`
    acks: bool = True  # acks go on meanwhile
    rows: bool = False  # rows, too
    inside: bool = True  # may strike while a worker is held inside its transaction


@contextmanager
def killed(part: str, fleet: Fleet, _: Traffic) -> Iterator[None]:
    """`kill -9`; started again at the end."""
    fleet.kill(part)
    yield
    fleet.start(part)


@contextmanager
def stopped(part: str, fleet: Fleet, _: Traffic) -> Iterator[None]:
    """SIGSTOP for it and all it has started, then SIGCONT."""
    first = psutil.Process(fleet.pid(part))
    frozen = [first, *first.children(recursive=True)]
    for process in frozen:
        process.suspend()
    try:
        yield
    finally:
        for process in frozen:
            with suppress(psutil.NoSuchProcess):
                process.resume()


@contextmanager
def restarted(fleet: Fleet, _: Traffic) -> Iterator[None]:
    """PostgreSQL told to stop at once, whoever is connected, and started again."""
    fleet.stores["postgres"].stop()
    yield
    fleet.start("postgres")


@contextmanager
def backend_killed(fleet: Fleet, _: Traffic) -> Iterator[None]:
    """`kill -9` for one session: PostgreSQL ends all others and recovers."""
    sessions = _sessions(fleet)
    with suppress(ProcessLookupError):
        psutil.Process(sessions[0]).send_signal(signal.SIGKILL)
    yield


@contextmanager
def sessions_terminated(fleet: Fleet, _: Traffic) -> Iterator[None]:
    """Every session of the fleet is ended by an administrator."""
    fleet.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY(%s)",
              _sessions(fleet))  # fmt: skip
    yield


def _sessions(fleet: Fleet) -> list[int]:
    """The server's processes for the fleet, those of workers first."""
    rows = fleet.sql(
        "SELECT pid FROM pg_stat_activity WHERE usename = current_user"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        " ORDER BY application_name = 'hopfleet'"
    )
    return [row[0] for row in rows]


@contextmanager
def exhausted(fleet: Fleet, _: Traffic) -> Iterator[None]:
    """Others eat every connection that is to be had, those of the fleet included."""
    with ExitStack() as eaten, administrator(fleet) as session:
        refused = 0
        while refused < 3:  # in a row, with none left to take from the fleet
            session.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                            " WHERE application_name LIKE '%hopfleet%'")  # fmt: skip
            try:
                eaten.enter_context(psycopg.connect(fleet.stores["postgres"].url))
            except psycopg.OperationalError:
                refused += 1
            else:
                refused = 0
        yield


def administrator(fleet: Fleet) -> Tx:
    """A superuser's session, for which PostgreSQL keeps a few connections back."""
    store = fleet.stores["postgres"]
    return psycopg.connect(
        host="127.0.0.1", port=store.port, user="postgres", dbname="hopfleet", autocommit=True,
        password=secret_in(store.folder / "admin-password"),
    )  # fmt: skip


@contextmanager
def locked(statement: str, owned_by: str, fleet: Fleet, traffic: Traffic) -> Iterator[None]:
    """Somebody holds a lock; `%s` in the statement is the first tenant's `owned_by`."""
    values = (getattr(traffic.owners[0], owned_by),) if owned_by else ()
    with fleet.connect() as session:
        session.execute("BEGIN")
        session.execute(statement, values)
        yield
        session.execute("ROLLBACK")


KILLS = tuple(
    Fault(f"kill -9 {part}", partial(killed, part), acks=part != "ingest") for part in PARTS
)
STOPS = tuple(
    Fault(
        f"SIGSTOP {part}", partial(stopped, part), 15, 3,
        acks=part != "ingest", rows=part == "scheduler",
    )
    for part in PARTS
)  # fmt: skip
SESSIONS = (
    Fault("PostgreSQL restarted", restarted),
    Fault("backend kill -9", backend_killed),
    Fault("backends terminated", sessions_terminated),
    Fault("connections exhausted", exhausted, 10, 2),
)
LOCKS = (
    Fault("lock on analytics_events",
          partial(locked, "LOCK TABLE analytics_events IN SHARE MODE", ""), 30, 4, inside=False),
    Fault("lock on the ledger",
          partial(locked, "LOCK TABLE ledger IN SHARE MODE", ""), 30, 4, inside=False),
    Fault("lock on a user",
          partial(locked, "SELECT FROM users WHERE id = %s FOR UPDATE", "user_id"), 30, 2,
          rows=True, inside=False),
    Fault("lock on a campaign",
          partial(locked, "SELECT FROM campaigns WHERE id = %s FOR UPDATE", "campaign_id"), 30, 2,
          rows=True, inside=False),
)  # fmt: skip
