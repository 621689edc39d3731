"""Chores: which of those that have a time of day were done, and for which day."""

from collections.abc import Mapping
from datetime import time

from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import At, Base, Str50


class Chore(Base):
    """When a chore with a time of day was last due, and done; never due before 1970."""

    __tablename__ = "chores"

    name: Mapped[Str50] = mapped_column(primary_key=True)
    due_at: Mapped[At]
    done_at: Mapped[At | None]


# The last time of day that has come, in UTC and by the database's clock: today's or yesterday's.
_LAST = (
    "((date_trunc('day', now() AT TIME ZONE 'UTC') + {at}"
    " - CASE WHEN {at} > (now() AT TIME ZONE 'UTC')::time THEN interval '1 day'"
    "  ELSE interval '0' END) AT TIME ZONE 'UTC')"
)


def due(tx: Tx, times: Mapping[str, time]) -> list[str]:
    """Those whose last time of day has passed without their being done; new ones among them."""
    named = {"names": list(times), "times": [f"{at:%H:%M:%S}" for at in times.values()]}
    listed = "unnest(%(names)s::text[], %(times)s::time[]) AS listed (name, at)"
    rows = tx.execute(
        f"SELECT listed.name, chores.name IS NULL FROM {listed} LEFT JOIN chores USING (name)"
        f" WHERE chores.done_at IS NULL OR chores.due_at < {_LAST.format(at='listed.at')}",
        named,
    ).fetchall()
    if any(new for _, new in rows):
        tx.execute(
            f"INSERT INTO chores (name, due_at) SELECT name, to_timestamp(0) FROM {listed}"
            " ON CONFLICT DO NOTHING",
            named,
        )
    return [name for name, _ in rows]


def begin(tx: Tx, name: str, at: time) -> bool:
    """Have a chore to ourselves until we commit; False when another has it, or it is done."""
    row = tx.execute(
        "SELECT true FROM chores WHERE name = %(name)s AND (done_at IS NULL"
        f" OR due_at < {_LAST.format(at='%(at)s::time')}) FOR UPDATE SKIP LOCKED",
        {"name": name, "at": f"{at:%H:%M:%S}"},
    ).fetchone()
    return row is not None


def done(tx: Tx, name: str, at: time) -> None:
    """Say that it is done for the last time of day that had come when we began."""
    tx.execute(
        f"UPDATE chores SET due_at = {_LAST.format(at='%(at)s::time')},"
        " done_at = clock_timestamp() WHERE name = %(name)s",
        {"name": name, "at": f"{at:%H:%M:%S}"},
    )
