"""The second-level copy: what a door has learned, on its disk, for a restart without stores."""

import sqlite3
import threading
from pathlib import Path
from typing import Any

import orjson

from base.logs import log

MOST_ROWS = 1_000_000
_BEYOND_REPAIR = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Copy:
    """A SQLite file shared by the doors of one host; a connection per thread.

    A copy that cannot be read or written is worth a warning, never a failure: the database is
    the truth.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._removing = threading.Lock()
        self._generation = 0  # of the file: a damaged one is removed, and every thread reopens
        self._writes = 0
        path.parent.mkdir(parents=True, exist_ok=True)

    def _connection(self) -> sqlite3.Connection:
        made: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if made is not None and self._local.generation == self._generation:
            return made
        self._hang_up()
        self._local.generation = self._generation
        self._local.connection = made = sqlite3.connect(self._path, timeout=2, isolation_level=None)
        self._path.chmod(0o600)
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("PRAGMA synchronous = NORMAL")
        made.execute(
            "CREATE TABLE IF NOT EXISTS known (noun TEXT, key TEXT, row BLOB,"
            " PRIMARY KEY (noun, key)) WITHOUT ROWID"
        )
        return made

    def _hang_up(self) -> None:
        made: sqlite3.Connection | None = getattr(self._local, "connection", None)
        self._local.connection = None
        if made is not None:
            made.close()

    def read(self, noun: str, key: str) -> dict[str, Any] | None:
        """The row last seen for `key`, or None."""
        try:
            found = (
                self._connection()
                .execute("SELECT row FROM known WHERE noun = ? AND key = ?", (noun, key))
                .fetchone()
            )
            row: dict[str, Any] | None = orjson.loads(found[0]) if found else None
        except (sqlite3.Error, OSError, ValueError) as error:
            self._damaged(error)
            return None
        return row

    def write(self, noun: str, rows: dict[str, dict[str, Any] | None]) -> None:
        """Keep rows as the database has them; None removes."""
        try:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO known VALUES (?, ?, ?)"
                " ON CONFLICT (noun, key) DO UPDATE SET row = excluded.row",
                [(noun, key, orjson.dumps(row, default=str)) for key, row in rows.items() if row],
            )
            connection.executemany(
                "DELETE FROM known WHERE noun = ? AND key = ?",
                [(noun, key) for key, row in rows.items() if not row],
            )
            self._bound(connection)
            connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            self._damaged(error)

    def _bound(self, connection: sqlite3.Connection) -> None:
        self._writes += 1
        if self._writes % 1000 == 0:
            count = connection.execute("SELECT count(*) FROM known").fetchone()[0]
            if count > MOST_ROWS:
                connection.execute("DELETE FROM known")  # it fills again with what is used

    def keys(self, noun: str, keys: list[str]) -> list[str]:
        """Those of `keys` that the copy holds."""
        try:
            found = self._connection().execute(
                "SELECT key FROM known WHERE noun = ? AND key IN (SELECT value FROM json_each(?))",
                (noun, orjson.dumps(keys).decode()),
            )
            return [row[0] for row in found]
        except (sqlite3.Error, OSError) as error:
            self._damaged(error)
            return []

    def _damaged(self, error: Exception) -> None:
        log().warning("copy.unusable", reason=str(error))
        self._hang_up()
        if getattr(error, "sqlite_errorcode", None) not in _BEYOND_REPAIR:
            return
        with self._removing:
            if self._local.generation == self._generation:  # else another thread has just done it
                for suffix in ("", "-wal", "-shm"):
                    self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
                self._generation += 1
