"""Moments as they are read: what PostgreSQL can say and Python cannot is the nearest there is.

Other applications may write `infinity`, or a year before 1 or after 9999, into any column; reading
such a row must not fail for the sake of one value.
"""

from datetime import UTC, datetime

from psycopg import DataError
from psycopg.types.datetime import TimestamptzLoader

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


class Moments(TimestamptzLoader):
    """psycopg's own, and the ends of the calendar beyond it."""

    def load(self, data: bytes | bytearray | memoryview) -> datetime:
        """An aware moment."""
        try:
            return super().load(data)
        except DataError:
            told = bytes(data)
            return _FIRST if told.startswith(b"-") or told.endswith(b"BC") else _LAST
