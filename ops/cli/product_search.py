"""`hopfleet products search`: find products by words, categories and numbers."""

import base64
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from uuid import UUID

import typer

from base.errors import Misused
from db import product_search
from db.product_plans import After
from db.product_search import SORTS, Query
from ops.cli import output
from ops.cli.database import transaction
from ops.cli.entry import one_of
from rules.search import wanted

_COLUMNS = ("id", "title", "gravity", "commission", "rate", "initial", "rebill", "category")
_NUMBERS = ("gravity", "commission_rate", "refund_rate", "trend")
_HIDDEN = ("id", "place", "popularity_rank")
_TRENDS = {"rising": True, "falling": False}


def search(
    text: Annotated[
        str | None,
        typer.Argument(help='Words that are all to be there; "a phrase", -without. None: browse.'),
    ] = None,
    category: Annotated[
        str | None,
        typer.Option(help="Only there and below: a path, `Main > Sub`, or a name alone."),
    ] = None,
    min_gravity: Annotated[str | None, typer.Option(metavar="G", help="At least.")] = None,
    max_gravity: Annotated[str | None, typer.Option(metavar="G", help="At most.")] = None,
    min_commission: Annotated[
        str | None, typer.Option(metavar="USD", help="Dollars a sale, at least.")
    ] = None,
    min_rate: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="Commission rate, at least.")
    ] = None,
    min_initial: Annotated[
        str | None, typer.Option(metavar="USD", help="Dollars of the first sale, at least.")
    ] = None,
    max_refunds: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="Refund rate, at most; only known ones.")
    ] = None,
    rebill: Annotated[
        bool | None, typer.Option("--rebill/--no-rebill", help="With, or without rebills.")
    ] = None,
    trend: Annotated[
        str | None, typer.Option(help="rising or falling: gravity against 30 days ago.")
    ] = None,
    sort: Annotated[str, typer.Option(help=f"By: {', '.join(SORTS)}.")] = "relevance",
    vanished: Annotated[
        bool, typer.Option("--vanished", help="Show those too that the marketplace has dropped.")
    ] = False,
    limit: output.Limit = 20,
    after: output.After = None,
    json: output.Json = False,
) -> None:
    """Find products; those whose title has all words come first, each by gravity.

    A text that is a product's id puts it first; a word that is nowhere is taken for the nearest.

    --json prints a list; numbers are numbers, money is decimal text, and each product's `cursor`
    is where --after goes on behind it.
    """
    one_of(sort, tuple(SORTS), "The sort")
    if trend is not None:
        one_of(trend, tuple(_TRENDS), "The trend")
    query = Query(
        text=wanted(text),
        sort=sort,
        category=category,
        least_gravity=_number("--min-gravity", min_gravity),
        most_gravity=_number("--max-gravity", max_gravity),
        least_commission=_number("--min-commission", min_commission),
        least_rate=_number("--min-rate", min_rate),
        least_initial=_number("--min-initial", min_initial),
        most_refunds=_number("--max-refunds", max_refunds),
        rebill=rebill,
        rising=None if trend is None else _TRENDS[trend],
        with_gone=vanished,
    )
    since = None if after is None else _read(after, sort)
    with transaction() as tx:
        page = product_search.find(tx, query, limit, since)
    if page.corrected is not None:
        meant = page.corrected
        output.note(f"No product has that; shown is: {' '.join((*meant.words, *meant.phrases))}")
    if json:
        output.print_json([_told(row) for row in page.rows])
    else:
        _draw(page)


def _number(name: str, text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or abs(value) >= 10**8:
        raise Misused(f"{name} takes a plain number, like 20 or 7.5.")
    return value


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """One product in JSON."""
    told = {name: value for name, value in row.items() if name not in _HIDDEN}
    for name in _NUMBERS:
        told[name] = None if told[name] is None else float(told[name])
    return {**told, "rank": row["popularity_rank"], "cursor": _cursor(row["place"])}


def _draw(page: product_search.Page) -> None:
    if not page.rows:
        output.note("Nothing was found: try fewer words or wider filters.")
        return
    output.print_table(_COLUMNS, (_cells(row) for row in page.rows))
    if page.after is not None:
        output.note(f"There are more: add --after '{_cursor(page.after)}'")


def _cells(row: dict[str, Any]) -> tuple[Any, ...]:
    amount, initial = row["commission_amount"], row["initial_sale_amount"]
    return (
        row["clickbank_id"],
        row["title"] + (" (vanished)" if row["vanished"] else ""),
        row["gravity"],
        None if amount is None else f"${amount}",
        None if row["commission_rate"] is None else f"{row['commission_rate']}%",
        None if initial is None else f"${initial}",
        "yes" if row["rebill"] else "",
        row["category"],
    )


def _cursor(place: After) -> str:
    value = place.value.isoformat() if isinstance(place.value, datetime) else str(place.value)
    told = f"{place.tier}~{value}~{place.product_id}"
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def _read(cursor: str, sort: str) -> After:
    try:
        told = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        tier, value, product_id = told.split("~")
        if int(tier) not in (-1, 0, 1):
            raise ValueError(tier)
        return After(int(tier), _value(value, sort), UUID(product_id))
    except (ValueError, InvalidOperation) as error:
        raise Misused(
            f"{cursor[:80]!r} is no cursor of this search: use the one its page before ended with."
        ) from error


def _value(text: str, sort: str) -> Decimal | int | datetime:
    if sort == "newest":
        return datetime.fromisoformat(text)
    if sort == "rank":
        return int(text)
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError(text)
    return value
