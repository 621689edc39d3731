"""How migrations run: one migrator at a time, never waiting long for a lock."""

from typing import Any

import psycopg
from sqlalchemy import Connection, create_engine, pool
from sqlalchemy.dialects.postgresql.base import ischema_names

from alembic import context
from base.settings import settings
from db.extras import names
from db.links import Xid8
from db.schema import metadata

# Else reading the tables back warns of a type that SQLAlchemy does not know.
ischema_names["xid8"] = Xid8

# Two migrators at once: the second waits for the first, then finds nothing to do.
MIGRATOR_LOCK = 0x686F70_666C6565
LOCK_TIMEOUT = "5s"


def address() -> str:
    """The caller's own, else `-x url=`, else this process's settings."""
    given = context.config.attributes.get("url")
    return given or context.get_x_argument(as_dictionary=True).get("url") or settings().database


def connect() -> psycopg.Connection[Any]:
    """A session that has the migrator's lock and waits five seconds for any other."""
    connection = psycopg.connect(
        address(), autocommit=True, connect_timeout=30, application_name="hopfleet-migrate"
    )
    connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATOR_LOCK,))
    # A migration that waits for a lock has everybody else wait behind it.
    connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
    connection.autocommit = False
    return connection


def partition_names(connection: Connection) -> frozenset[str]:
    """Partitions are the scheduler's business, not a difference from the models."""
    rows = connection.exec_driver_sql("SELECT relname FROM pg_class WHERE relispartition")
    names = frozenset(row[0] for row in rows)
    connection.rollback()
    return names


def run() -> None:
    """Connect and bring the tables where they are wanted, one transaction a revision."""
    engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=pool.NullPool)
    with engine.connect() as connection:
        # Further indexes of the document's tables stand in db/extras.py alone.
        hidden = {"table": partition_names(connection), "index": names("index")}
        context.configure(
            connection=connection,
            target_metadata=metadata,
            transaction_per_migration=True,
            compare_type=True,
            compare_server_default=True,
            include_name=lambda name, kind, _: name not in hidden.get(kind, ()),
        )
        with context.begin_transaction():
            context.run_migrations()


def print_sql() -> None:
    """`alembic upgrade --sql`: the statements, for people who run them themselves."""
    context.configure(
        dialect_name="postgresql", target_metadata=metadata, transaction_per_migration=True
    )
    with context.begin_transaction():
        context.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        context.run_migrations()


if context.is_offline_mode():
    print_sql()
else:
    run()
