"""One transaction of a command, and PostgreSQL's troubles as sentences for a person."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
from psycopg import errors as sql

from base.errors import HopfleetError, StoreAway
from base.settings import settings
from db.connection import Tx

CONNECT_SECONDS = 5


@contextmanager
def transaction() -> Iterator[Tx]:
    """A session of its own: commits at the end of the block, rolls back when it raises.

    Not the pool's: a command needs one session, and wants to know at once, not after a pool's
    patience, why it cannot have it.
    """
    with sentences():
        session = psycopg.connect(
            settings().database, connect_timeout=CONNECT_SECONDS, application_name="hopfleet cli"
        )
        with session:
            yield session


@contextmanager
def sentences() -> Iterator[None]:
    """What PostgreSQL says, raised as one sentence; `StoreAway` when it is away."""
    try:
        yield
    except (sql.UndefinedTable, sql.UndefinedColumn, sql.UndefinedFunction) as error:
        raise HopfleetError(
            "The database lacks tables of this version: run `hopfleet migrate`."
        ) from error
    except sql.InsufficientPrivilege as error:
        raise HopfleetError(
            f"PostgreSQL does not let this role do that ({first_line(error)}): use the role that"
            " owns the tables."
        ) from error
    except (sql.LockNotAvailable, sql.QueryCanceled, sql.DeadlockDetected) as error:
        raise HopfleetError(
            f"Somebody holds a lock in the database ({first_line(error)}): try again."
        ) from error
    except psycopg.ProgrammingError as error:
        if error.sqlstate is not None:
            raise
        raise HopfleetError(
            "HOPFLEET_DATABASE_URL is no address of PostgreSQL: it looks like"
            " postgresql://user:password@host:5432/database."
        ) from error
    except psycopg.OperationalError as error:
        raise StoreAway(
            f"PostgreSQL at {where()} cannot be used ({first_line(error)}): start it, for instance"
            " with `hopfleet up`, or correct HOPFLEET_DATABASE_URL."
        ) from error


def where() -> str:
    """Host, port and database of PostgreSQL, without user and password."""
    parts = urlsplit(settings().database)
    return f"{parts.netloc.rpartition('@')[2] or 'localhost'}{parts.path}"


def first_line(error: Exception) -> str:
    """An error's first line; libpq puts the telling part behind "… failed:"."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    return text.rpartition(" failed: ")[2].removeprefix("FATAL:").strip().rstrip(".")
