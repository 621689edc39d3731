"""Rates: what a unit of another currency was worth in dollars on a day."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Annotated

from sqlalchemy import CheckConstraint, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import Base, Str3

# A rate holds over weekends and holidays; beyond a week nobody would call it the day's.
MOST_DAYS_OLD = 7

Factor = Annotated[Decimal, mapped_column(Numeric(20, 10))]


class Rate(Base):
    """One currency on one day."""

    __tablename__ = "rates"
    __table_args__ = (CheckConstraint("dollars > 0 AND dollars <> 'NaN'", name="dollars"),)

    currency: Mapped[Str3] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    dollars: Mapped[Factor]


def put(tx: Tx, rates: Iterable[tuple[str, date, Decimal]]) -> int:
    """Keep rates as (currency, day, dollars for one unit); later ones replace earlier ones.

    Returns how many there were.
    """
    with tx.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE news (LIKE rates) ON COMMIT DROP")
        with cursor.copy("COPY news (currency, day, dollars) FROM STDIN") as stream:
            for rate in rates:
                stream.write_row(rate)
        cursor.execute(
            "INSERT INTO rates SELECT DISTINCT ON (currency, day) * FROM news"
            " ON CONFLICT (currency, day) DO UPDATE SET dollars = EXCLUDED.dollars"
        )
        return cursor.rowcount


def find(
    tx: Tx, wanted: Iterable[tuple[str, date]]
) -> dict[tuple[str, date], tuple[date, Decimal]]:
    """Per (currency, day) the newest rate of that day or the week before, with its own day."""
    asked = sorted(set(wanted))
    if not asked:
        return {}
    rows = tx.execute(
        "SELECT wanted.currency, wanted.day, found.day, found.dollars"
        " FROM unnest(%s::varchar[], %s::date[]) AS wanted (currency, day)"
        " CROSS JOIN LATERAL (SELECT day, dollars FROM rates"
        "  WHERE currency = wanted.currency AND day <= wanted.day AND day >= wanted.day - %s"
        "  ORDER BY day DESC LIMIT 1) AS found",
        ([one[0] for one in asked], [one[1] for one in asked], MOST_DAYS_OLD),
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}
