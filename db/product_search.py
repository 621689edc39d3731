"""Finding products: what is asked for, in which order, page by page."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import dict_row

from db import product_words, products
from db.connection import Tx
from db.product_plans import After, Plan
from schemas.searches import Wanted

CONFIGURATION = "hopfleet_words"

# How lists can be sorted: by which column, and which way.
SORTS = {
    "relevance": ("gravity", "DESC"),
    "gravity": ("gravity", "DESC"),
    "commission": ("commission_amount", "DESC"),
    "rate": ("commission_rate", "DESC"),
    "initial": ("initial_sale_amount", "DESC"),
    "rank": ("popularity_rank", "ASC"),
    "trend": ("trend", "DESC"),
    "newest": ("created_at", "DESC"),
}
_ANYTHING = Wanted()
_PINNED = -1  # the tier of a product whose id is the text


@dataclass(frozen=True, slots=True)
class Query:
    """What is wanted of the catalogue; None leaves a filter out.

    `category` is a path or a name, in whatever case, and means the tree below it. Percents are 0
    to 100, money is US dollars. `rising` wants a trend above, or below, nothing.
    """

    text: Wanted = _ANYTHING
    sort: str = "relevance"
    category: str | None = None
    least_gravity: Decimal | None = None
    most_gravity: Decimal | None = None
    least_commission: Decimal | None = None
    least_rate: Decimal | None = None
    least_initial: Decimal | None = None
    most_refunds: Decimal | None = None
    rebill: bool | None = None
    rising: bool | None = None
    with_gone: bool = False


class Page(NamedTuple):
    """Products: all columns that lists show, and each one's `place`.

    `after` is where the next page begins, None at the end. `corrected` is the text that was looked
    for instead, because what was asked for is nowhere.
    """

    rows: list[dict[str, Any]]
    after: After | None
    corrected: Wanted | None = None


def find(tx: Tx, query: Query, limit: int = 20, after: After | None = None) -> Page:
    """A page of what is wanted, in the sort's order and then by id.

    By relevance, a product whose id is the text comes first, then those whose title has all that
    was asked for, then those where only the description has, each by gravity. When nothing has it,
    words that are in no title are taken for the nearest ones that are.
    """
    page = _page(tx, query, limit, after)
    if page.rows or query.text.is_empty:
        return page
    # A page that ended in corrected words goes on in them.
    meant = product_words.corrected(tx, query.text)
    if meant is None:
        return page
    return _page(tx, replace(query, text=meant), limit, after)._replace(corrected=meant)


def _page(tx: Tx, query: Query, limit: int, after: After | None) -> Page:
    asked = _asked(tx, query)
    found: list[dict[str, Any]] = []
    is_ranked = asked.words is not None and query.sort == "relevance"
    pinned = _pinned(tx, query) if query.sort == "relevance" else None
    if pinned is not None:
        if after is None:
            found += Plan(tx, "gravity", "DESC", [*asked.where, "s.product_id = %(pinned)s"],
                           {**asked.values, "pinned": pinned, "limit": 1, "tier": _PINNED},
                           None).collect()  # fmt: skip
        asked = asked.without(pinned)
    first = max(after.tier, 0) if after else 0
    for tier in range(first, 2) if is_ranked else range(1):
        since = after if after and after.tier == tier else None
        found += _tier(tx, query, asked, tier, is_ranked, limit + 1 - len(found), since)
        if len(found) > limit:
            break
    rows = _described(tx, found[:limit])
    return Page(rows, _place(found[limit - 1]) if len(found) > limit else None)


def _pinned(tx: Tx, query: Query) -> UUID | None:
    """The product whose id is the whole text."""
    text = query.text
    words = (*text.words, *([text.beginning] if text.beginning else []))
    if len(words) != 1 or text.phrases:
        return None
    product = products.named(tx, words[0])
    return product and product.id


class _Asked(NamedTuple):
    """The filters as SQL over `s`, their parameters, and the text as tsqueries."""

    where: tuple[str, ...]
    values: Mapping[str, Any]
    words: str | None  # what is to be there, as text of a tsquery; None: nothing

    def without(self, product_id: UUID) -> "_Asked":
        """The same, but for one product."""
        where = (*self.where, "s.product_id <> %(pinned)s")
        return self._replace(where=where, values={**self.values, "pinned": product_id})


_COMPARED = {
    "least_gravity": "s.gravity >= %(least_gravity)s",
    "most_gravity": "s.gravity BETWEEN 0 AND %(most_gravity)s",
    "least_commission": "s.commission_amount >= %(least_commission)s",
    "least_rate": "s.commission_rate >= %(least_rate)s",
    "least_initial": "s.initial_sale_amount >= %(least_initial)s",
    "most_refunds": "s.refund_rate <= %(most_refunds)s",
    "rebill": "s.rebill = %(rebill)s",
}


def _asked(tx: Tx, query: Query) -> _Asked:
    where: list[str] = [] if query.with_gone else ["NOT s.is_gone"]
    values: dict[str, Any] = {}
    for name, condition in _COMPARED.items():
        if (value := getattr(query, name)) is not None:
            where.append(condition)
            values[name] = value
    if query.rising is not None:
        where.append(f"s.trend {'>' if query.rising else '<'} 0")
    if query.category is not None:
        where.append("s.categories @> ARRAY[%(category)s::text]")
        values["category"] = " > ".join(part.strip() for part in query.category.lower().split(">"))
    words, excluded = _words(tx, query.text)
    if excluded:
        where.append("NOT s.words @@ %(excluded)s::tsquery")
        values["excluded"] = excluded
    if words:
        values["words"] = words
    return _Asked(tuple(where), values, words)


# The last word may be a beginning, unless titles have it: what begins with a common one is much.
_TSQUERIES = f"""
    SELECT true, plainto_tsquery('{CONFIGURATION}', w)::text FROM unnest(%(words)s::text[]) AS w
    UNION ALL SELECT true, phraseto_tsquery('{CONFIGURATION}', p)::text
        FROM unnest(%(phrases)s::text[]) AS p
    UNION ALL SELECT true, to_tsquery('{CONFIGURATION}', %(quoted)s || CASE WHEN EXISTS (
            SELECT FROM product_words WHERE word = lower(unaccent(%(beginning)s))
        ) THEN '' ELSE ':*' END)::text
        WHERE %(beginning)s::text IS NOT NULL
    UNION ALL SELECT false, phraseto_tsquery('{CONFIGURATION}', x)::text
        FROM unnest(%(excluded)s::text[]) AS x
"""


def _words(tx: Tx, text: Wanted) -> tuple[str | None, str | None]:
    """What is to be there and what not, as tsqueries in text; None for nothing."""
    if text.is_empty:
        return None, None
    rows = tx.execute(
        _TSQUERIES,
        {
            "words": list(text.words),
            "phrases": list(text.phrases),
            "excluded": list(text.excluded),
            "beginning": text.beginning,
            "quoted": _quoted(text.beginning or ""),
        },
    ).fetchall()
    # Of words that are in every text, like "the", nothing is left.
    there = [f"({query})" for is_there, query in rows if is_there and query]
    absent = [f"({query})" for is_there, query in rows if not is_there and query]
    return " & ".join(there) or None, " | ".join(absent) or None


def _quoted(word: str) -> str:
    """A word as one operand of a tsquery, whatever is in it."""
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def _tier(
    tx: Tx,
    query: Query,
    asked: _Asked,
    tier: int,
    is_ranked: bool,
    limit: int,
    after: After | None,
) -> list[dict[str, Any]]:
    """Rows of one tier in order: by a walk, and if that does not fill the page, by their words."""
    where = list(asked.where)
    if asked.words is not None:
        matches = "s.{} @@ %(words)s::tsquery"
        if not is_ranked:
            where.append(matches.format("words"))
        elif tier == 0:
            where.append(matches.format("title_words"))
        else:
            where += [matches.format("words"), "NOT " + matches.format("title_words")]
    column, way = SORTS[query.sort]
    values = {**asked.values, "limit": limit, "tier": tier}
    return Plan(tx, column, way, where, values, after).rows(limit)


_SHOWN = (
    "p.id, p.clickbank_id, p.title, p.vendor, p.category, p.gravity, p.commission_rate,"
    " p.commission_amount, p.initial_sale_amount, p.refund_rate, p.rebill, p.popularity_rank,"
    " s.trend, s.is_gone AS vanished"
)


def _described(tx: Tx, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a page with all that lists show, in their order."""
    ids = [row["product_id"] for row in found]
    with tx.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT {_SHOWN} FROM products p JOIN product_search s ON s.product_id = p.id"
            " WHERE p.id = ANY(%s)",
            (ids,),
        ).fetchall()
    known = {row["id"]: row for row in rows}
    return [
        {**known[row["product_id"]], "place": _place(row)}
        for row in found
        if row["product_id"] in known
    ]


def _place(row: dict[str, Any]) -> After:
    return After(row["tier"], row["value"], row["product_id"])
