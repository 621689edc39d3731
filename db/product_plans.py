"""Two bounded ways to products: along a sorted index, or by an index of what matches.

Whoever wants a common word by gravity finds a page near the top of the sorted index; whoever
wants a rare one finds all rows by their words. Which way is shorter is guessed from what the
planner knows of the words, and a walk that leads nowhere ends: a wrong guess costs only time.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import dict_row

from db.connection import Tx

# Rows that are walked while one match is fetched: by gravity, as a sync writes them, and else.
_PACE, _SLOW_PACE = 4, 1
_SAFETY = 3  # times as many rows as a page should take
_LONG_WALK = 8_000  # matches that are fetched rather than walking for as long


class After(NamedTuple):
    """Where a page ended: its last row's tier (-1, 0 or 1), sorted value and id."""

    tier: int
    value: Decimal | int | datetime
    product_id: UUID


class Plan:
    """One question in both of its forms; `where` is about `product_search s`."""

    def __init__(
        self, tx: Tx, column: str, way: str, where: Sequence[str], values: dict[str, Any],
        after: After | None,
    ) -> None:  # fmt: skip
        self._tx, self._column, self._way = tx, column, way
        self._where = " AND ".join(where) or "true"
        self._values = values
        # What is asked of the sorted column bounds the walk.
        within = [each for each in where if each.startswith(f"s.{column} ")]
        self._bounds = " AND ".join(within) or "true"
        if after is not None:
            sign = "<" if way == "DESC" else ">"
            within.append(f"(s.{column}, s.product_id) {sign} (%(value)s, %(product_id)s)")
            self._values = {**values, "value": after.value, "product_id": after.product_id}
        self._within = " AND ".join(within) or "true"
        self._order = f"s.{column} {way}, s.product_id {way}"

    def _rows(self, statement: str) -> list[dict[str, Any]]:
        with self._tx.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement, self._values).fetchall()

    @property
    def _select(self) -> str:
        return f"SELECT s.product_id, s.{self._column} AS value, %(tier)s::int AS tier"

    def walk(self, rows: int) -> list[dict[str, Any]]:
        """Those among so many next rows of the sorted index."""
        return self._rows(
            f"{self._select} FROM (SELECT * FROM product_search s WHERE {self._within}"
            f"  ORDER BY {self._order} LIMIT {rows}) AS s"
            f" WHERE {self._where} ORDER BY {self._order} LIMIT %(limit)s"
        )

    def collect(self) -> list[dict[str, Any]]:
        """All of them, by whatever index finds them, then sorted."""
        # OFFSET 0 keeps the sorted index out of it: it would be walked to its end.
        return self._rows(
            f"SELECT * FROM ({self._select} FROM product_search s"
            f"  WHERE {self._where} AND {self._within} OFFSET 0) AS found"
            f" ORDER BY value {self._way}, product_id {self._way} LIMIT %(limit)s"
        )

    def rows(self, limit: int) -> list[dict[str, Any]]:
        """The first `limit` matches in order."""
        if self._where == "true":
            return self.walk(limit)
        matches, within = self.expects()
        pace = _PACE if self._column == "gravity" else _SLOW_PACE
        to_walk = limit * within / max(matches, 1.0)
        if matches <= to_walk / pace:
            return self.collect()
        longest = _LONG_WALK * pace
        found = self.walk(min(int(_SAFETY * to_walk) + limit, longest))
        if len(found) < limit and matches > _LONG_WALK:
            found = self.walk(longest)
        return found if len(found) >= limit else self.collect()

    def expects(self) -> tuple[float, float]:
        """About how many products match, and among how many a walk would find them."""
        return self._guess(self._where), self._guess(self._bounds)

    def _guess(self, where: str) -> float:
        """How many rows the planner expects."""
        with self._tx.cursor() as cursor:
            row = cursor.execute(
                f"EXPLAIN (FORMAT JSON) SELECT FROM product_search s WHERE {where}", self._values
            ).fetchone()
        assert row is not None
        return float(row[0][0]["Plan"]["Plan Rows"])
