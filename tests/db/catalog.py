"""What a database's catalog says about its tables, as plain values that compare."""

from collections.abc import Iterable
from typing import Any

import psycopg

Facts = set[tuple[Any, ...]]

_PLAIN = "relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace"

_TABLES = f"SELECT relname FROM pg_class WHERE {_PLAIN}"
_COLUMNS = f"""
    SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull,
           pg_get_expr(adbin, adrelid), attidentity::text, attgenerated::text
    FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
    LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND NOT attisdropped AND {_PLAIN}
"""
# Not-null constraints are rows of their own from PostgreSQL 18 on; columns say the same.
_CONSTRAINTS = f"""
    SELECT relname, conname, pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN pg_class c ON c.oid = conrelid
    WHERE contype <> 'n' AND {_PLAIN}
"""
# An index on a partitioned table is printed as one ON ONLY it; its partitions have it, too.
_INDEXES = f"""
    SELECT c.relname, i.relname, replace(pg_get_indexdef(i.oid), ' ON ONLY ', ' ON ')
    FROM pg_index x JOIN pg_class i ON i.oid = indexrelid JOIN pg_class c ON c.oid = indrelid
    WHERE {_PLAIN.replace("rel", "c.rel")}
"""
_TRIGGERS = f"""
    SELECT relname, tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
    WHERE NOT tgisinternal AND {_PLAIN}
"""


class Catalog:
    """Tables, columns, constraints, indexes and triggers of the public schema."""

    def __init__(self, address: str, only: Iterable[str] | None = None) -> None:
        with psycopg.connect(address) as session:
            chosen = set(only) if only is not None else None

            def facts(query: str) -> Facts:
                rows = set(session.execute(query).fetchall())
                return {row for row in rows if chosen is None or row[0] in chosen}

            self.tables = {row[0] for row in facts(_TABLES)}
            self.columns = facts(_COLUMNS)
            self.constraints = facts(_CONSTRAINTS)
            self.indexes = facts(_INDEXES)
            self.triggers = facts(_TRIGGERS)
