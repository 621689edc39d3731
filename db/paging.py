"""Cursors of lists that are read page by page, newest first."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from base.errors import Misused


class Place(NamedTuple):
    """Where a page ended: the next one holds what is older."""

    created_at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.created_at.isoformat()}~{self.id}"


def place(cursor: str | None) -> Place | None:
    """What a page printed as its cursor, read back; raises `Misused` for anything else."""
    if cursor is None:
        return None
    moment, _, key = cursor.partition("~")
    try:
        return Place(datetime.fromisoformat(moment), UUID(key))
    except ValueError as error:
        raise Misused(
            f"{cursor!r} is no cursor: use the one the page before ended with."
        ) from error
