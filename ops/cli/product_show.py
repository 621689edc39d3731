"""`hopfleet products show` and `history`: all that is known of one product, and what it was."""

import datetime
from typing import Annotated, Any

import typer

from base.errors import HopfleetError, Misused
from db import product_facts
from db.connection import Tx
from db.product_facts import Facts
from ops.cli import campaign_product, lookup, output
from ops.cli.database import transaction
from ops.cli.entry import text
from ops.cli.sparkline import daily, drawn
from rules.hoplinks import hoplink

DRAWN_DAYS = 90
_MOST_ID_CHARACTERS = 100  # of the column
_NUMBERS = ("gravity", "commission_rate", "refund_rate", "trend")
_VALUES = ("gravity", "commission_rate", "commission_amount", "popularity_rank")
_HIDDEN = ("id", "data_snapshot", "popularity_rank")

Which = Annotated[str, typer.Argument(metavar="ID", help="ClickBank's id, in any case.")]


def found(tx: Tx, clickbank_id: str) -> Facts:
    """The product; raises with the ids that are most like it when there is none."""
    clickbank_id = text(clickbank_id, "ID", _MOST_ID_CHARACTERS, least=1)
    row = product_facts.find(tx, clickbank_id)
    if row is not None:
        return row
    alike = product_facts.alike(tx, clickbank_id)
    hint = (
        f"did you mean {', '.join(map(output.printable, alike))}?"
        if alike
        else "`hopfleet products search` finds some, `products sync` gets them."
    )
    raise HopfleetError(f"There is no product {clickbank_id!r}: {hint}")


def show(
    product: Which,
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="Show this user's hoplink to it.")
    ] = None,
    nickname: Annotated[
        str | None, typer.Option(help="Show the hoplink of this ClickBank account.")
    ] = None,
    json: output.Json = False,
) -> None:
    """Show all that is known of a product; gravity of 90 days as a line."""
    with transaction() as tx:
        row = found(tx, product)
        until = product_facts.today(tx)
        since = until - datetime.timedelta(days=DRAWN_DAYS - 1)
        days = product_facts.days(tx, row["id"], since, until)
        name = nickname
        if user is not None and nickname is None:
            name = campaign_product.account(tx, lookup.user(tx, user).id)
    link = None if name is None else hoplink(name, row["vendor"])
    gravity = daily(days or [_now(row, since)], "gravity", since, until)
    if json:
        output.print_json(_told(row, link, gravity))
    else:
        _draw(row, link, gravity)


def _now(row: Facts, since: datetime.date) -> Facts:
    """What a product has been that never changed: its row, from its first day here."""
    begun = row["created_at"].astimezone(datetime.UTC).date()
    return {"day": max(begun, since)} | {name: row[name] for name in _VALUES}


def _told(row: Facts, link: str | None, gravity: list[Any]) -> dict[str, Any]:
    told = {name: value for name, value in row.items() if name not in _HIDDEN}
    for name in _NUMBERS:
        told[name] = _number(told[name])
    return told | {
        "rank": row["popularity_rank"],
        "categories": _listings(row),
        "hoplink": link,
        "gravity_days": [_number(value) for value in gravity],
    }


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _listings(row: Facts) -> list[dict[str, Any]]:
    """Where feeds list it; the snapshot is whatever JSON stands there."""
    snapshot = row["data_snapshot"]
    listed = snapshot.get("categories") if isinstance(snapshot, dict) else None
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _draw(row: Facts, link: str | None, gravity: list[Any]) -> None:
    listed = [f"{one.get('path')} (#{one.get('rank') or '?'})" for one in _listings(row)]
    state = None
    if row["vanished_at"] is not None:
        state = f"vanished {output.short(row['vanished_at'])}"
    elif row["missing_feeds"]:
        state = f"{row['missing_feeds']} feeds, since {output.short(row['missing_since'])}"
    output.print_fields(
        {
            "id": row["clickbank_id"],
            "title": row["title"],
            "vendor": row["vendor"],
            "category": row["category"],
            "description": row["description"],
            "gravity": row["gravity"],
            "90 days": drawn(gravity).rstrip(),
            "trend": row["trend"],
            "commission": _dollars(row["commission_amount"]),
            "rate": _percent(row["commission_rate"]),
            "first sale": _dollars(row["initial_sale_amount"]),
            "rebill": {True: "yes", False: "no"}.get(row["rebill"]),
            "refund rate": _percent(row["refund_rate"]),
            "rank": row["popularity_rank"],
            "listed in": "; ".join(listed),
            "last seen": row["last_seen_at"],
            "missing": state,
            "changed": row["last_updated"],
            "campaigns": row["campaigns"],
            "hoplink": link,
        }
    )


def _dollars(value: Any) -> str | None:
    return None if value is None else f"${value}"


def _percent(value: Any) -> str | None:
    return None if value is None else f"{value}%"


def history(
    product: Which,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="The first day, UTC.")
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="DAY", help="The last day, UTC.")] = None,
    json: output.Json = False,
) -> None:
    """Show a product's gravity, commission and rank: a row for each day that changed one.

    Each holds until the next; --from begins with what held on that day.
    """
    since, until = _day(from_, "--from"), _day(to, "--to")
    if since and until and since > until:
        raise Misused("--from is later than --to: swap them.")
    with transaction() as tx:
        row = found(tx, product)
        today = product_facts.today(tx)
        if since and since > today:
            raise Misused(f"--from is in the future: today is {today}, in UTC.")
        last = min(until or today, today)
        days = product_facts.days(tx, row["id"], since, last)
        if not days and not product_facts.days(tx, row["id"], None, None):
            days = [now] if (now := _now(row, datetime.date.min))["day"] <= last else []
    if json:
        output.print_json({"clickbank_id": row["clickbank_id"], "days": [*map(_plain, days)]})
        return
    if not days:
        output.note(f"Nothing is known of {output.printable(row['clickbank_id'])} until then.")
        return
    output.print_table(
        ("day", "gravity", "rate", "commission", "rank"),
        ((one["day"], *(one[name] for name in _VALUES)) for one in days),
    )
    first = max(since or days[0]["day"], last - datetime.timedelta(days=DRAWN_DAYS - 1))
    lines = {name: drawn(daily(days, name, first, last)).rstrip() for name in _VALUES}
    output.print_fields({name.replace("_", " "): line for name, line in lines.items()})
    output.note(f"Lines are {first} to {last}; a higher rank is a less popular product.")


def _plain(one: Facts) -> dict[str, Any]:
    return {
        "day": one["day"].isoformat(),
        "gravity": _number(one["gravity"]),
        "commission_rate": _number(one["commission_rate"]),
        "commission_amount": one["commission_amount"],
        "rank": one["popularity_rank"],
    }


def _day(text: str | None, name: str) -> datetime.date | None:
    try:
        return None if text is None else datetime.date.fromisoformat(text)
    except ValueError:
        raise Misused(f"{name} takes a day, like 2026-01-31.") from None
