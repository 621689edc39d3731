"""Migrations: the tables brought to this version, or to another one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from alembic import command
from base.errors import StoreAway
from base.settings import settings

_SCRIPTS = Path(__file__).resolve().parent.parent / "alembic"


def config(url: str | None = None) -> Config:
    """Alembic's configuration for this database; the address never passes through a file."""
    made = Config()
    made.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    made.attributes["url"] = url
    return made


@contextmanager
def _one_sentence() -> Iterator[None]:
    """Say that the database is away, or a table locked, without SQLAlchemy's words around it."""
    try:
        yield
    except OperationalError as error:
        raise StoreAway(_away(error.orig or error)) from error
    except psycopg.OperationalError as error:
        raise StoreAway(_away(error)) from error


def _away(error: BaseException) -> str:
    return f"The database could not be migrated: {str(error).splitlines()[0]}"


def upgrade(url: str | None = None, revision: str = "head") -> None:
    """Bring the tables forward, by default to this version's; one migrator at a time."""
    with _one_sentence():
        command.upgrade(config(url), revision)


def downgrade(url: str | None, revision: str) -> None:
    """Bring the tables back to an older revision; rows of tables that it lacks are gone."""
    with _one_sentence():
        command.downgrade(config(url), revision)


def current(url: str | None = None) -> str | None:
    """The revision the database is at; None when it was never migrated."""
    address = url or settings().database
    with _one_sentence(), psycopg.connect(address, connect_timeout=30) as connection:
        known = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
        if known is None or known[0] is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def head() -> str:
    """The revision this version of the program is made for."""
    revision = ScriptDirectory.from_config(config()).get_current_head()
    assert revision is not None, "alembic/versions holds no migrations"
    return revision


def known() -> set[str]:
    """All revisions this version of the program knows."""
    return {one.revision for one in ScriptDirectory.from_config(config()).walk_revisions()}
