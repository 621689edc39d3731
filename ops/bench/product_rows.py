"""What a run of the catalogue asks PostgreSQL itself: rows written, rows copied, words found."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from psycopg import Connection, sql

from base.clock import steady
from ops.bench.database import session, settle

TABLES = ("products", "product_states", "product_search")  # what a first sync fills
_BLOCK_BYTES = 1024 * 1024


class Written(NamedTuple):
    """Row versions written since a database began, over the catalogue's tables."""

    inserted: int
    updated: int
    deleted: int
    products_updated: int

    def since(self, before: "Written") -> "Written":
        """What was written between the two."""
        return Written(*(now - then for now, then in zip(self, before, strict=True)))


def written(url: str) -> Written:
    """From `pg_stat_user_tables`, which other sessions' ends bring up to date."""
    with session(url) as connection:
        connection.execute("SELECT pg_stat_clear_snapshot()")
        row = connection.execute(
            "SELECT sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_del),"
            " sum(n_tup_upd) FILTER (WHERE relname = 'products')"
            " FROM pg_stat_user_tables WHERE relname = ANY(%s)",
            [[*TABLES, "product_history", "product_absences"]],
        ).fetchone()
    return Written(*(int(str(value or 0)) for value in row or (0, 0, 0, 0)))


def unload(url: str, table: str, into: Path) -> int:
    """Write a table's rows as COPY's text to a file; how many."""
    statement = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))
    with session(url) as connection, connection.cursor() as cursor, into.open("wb") as file:
        with cursor.copy(statement) as rows:
            for block in rows:
                file.write(block)
        return cursor.rowcount


def load(url: str, table: str, source: Path) -> float:
    """One raw `COPY` of such a file into an empty table with the same indexes; seconds.

    The table has no triggers and no foreign keys: nothing but rows and indexes is written.
    """
    limit = sql.Identifier(f"limit_{table}")
    settle(url)
    with session(url) as connection, connection.cursor() as cursor, source.open("rb") as file:
        cursor.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(limit, sql.Identifier(table))
        )
        started = steady()
        with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(limit)) as copy:
            while block := file.read(_BLOCK_BYTES):
                copy.write(block)
        took = steady() - started
        cursor.execute(sql.SQL("DROP TABLE {}").format(limit))
    return took


def analyze(url: str) -> None:
    """As autovacuum does a while after so many rows."""
    with session(url) as connection:
        connection.execute("VACUUM (ANALYZE) products, product_states, product_search")


def is_syncing(url: str, *, has_read: bool) -> bool:
    """Whether a sync is at work; with `has_read`, on the catalogue already."""
    told = "stage = 'staged'" if has_read else "true"
    with session(url) as connection:
        row = connection.execute(
            f"SELECT count(*) FROM product_syncs WHERE state = 'running' AND {told}"
        ).fetchone()
    return bool(row and row[0])


class Words(NamedTuple):
    """What the catalogue's titles are made of, for questions about it."""

    rare: list[str]  # in at most three of the sampled titles
    common: list[str]  # the most frequent first
    titles: list[str]
    ids: list[str]
    categories: list[str]


def words(url: str, most: int) -> Words:
    """Words, titles, ids and categories to ask for; the same for the same catalogue."""
    with session(url) as connection:
        titles = _texts(connection, "SELECT title FROM products ORDER BY md5(title) LIMIT %s", most)
        ids = _texts(
            connection,
            "SELECT clickbank_id FROM products ORDER BY md5(clickbank_id) LIMIT %s",
            most,
        )
        categories = _texts(
            connection,
            "SELECT category FROM products WHERE category IS NOT NULL GROUP BY category"
            " ORDER BY count(*) DESC, category LIMIT %s",
            most,
        )
        counted = _texts(
            connection,
            "SELECT word FROM (SELECT lower(word) AS word, count(*) AS n FROM (SELECT title FROM"
            "  products ORDER BY md5(title) LIMIT %s) AS t, regexp_split_to_table(title, '\\W+')"
            "  AS word WHERE length(word) > 3 GROUP BY 1) AS counted ORDER BY n DESC, word",
            most * 10,
        )
    return Words(counted[-most:], counted[:most], titles, ids, categories)


def _texts(connection: "Connection[tuple[object, ...]]", statement: str, most: int) -> list[str]:
    return [str(row[0]) for row in connection.execute(statement, [most]).fetchall()]


@contextmanager
def asking(url: str) -> Iterator["Connection[tuple[object, ...]]"]:
    """The connection of one who searches."""
    with session(url) as connection:
        yield connection
