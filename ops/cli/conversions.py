"""`hopfleet conversions`: what was sold, by whom we know it, and what followed from it."""

from typing import Annotated, Any

import typer

from base.errors import HopfleetError, Misused
from db import history, receipts
from db.connection import Tx
from db.history import Told, Which
from ops.cli import chain, entry, lookup, output
from ops.cli.chain import Chain
from ops.cli.database import transaction
from ops.cli.reconcile import reconcile
from rules.history import Entry, entries
from rules.payments import base_of
from schemas.receipts import Fact

STATES = ("pending", "approved", "rejected", "refund", "chargeback", "rebill")

app = typer.Typer()


@app.command("list")
def list_(
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only this user's.")] = None,
    campaign: Annotated[
        str | None, typer.Option(help="Only of this campaign, by tracking id or id.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only first told from then on: 2h, 3d, 2026-05-01.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="Only first told before then.")] = None,
    state: Annotated[
        str | None, typer.Option(help=f"Only those ever told to be {' | '.join(STATES)}.")
    ] = None,
    flag: Annotated[
        str | None, typer.Option(help=f"Only those flagged {', '.join(chain.FLAGS)}.")
    ] = None,
    unattributed: Annotated[
        bool, typer.Option("--unattributed", help="Only those that follow no campaign.")
    ] = False,
    limit: output.Limit = 50,
    after: output.After = None,
    json: output.Json = False,
) -> None:
    """Show orders, newest first: each first payment with all that followed it."""
    if state is not None:
        entry.one_of(state, STATES, "--state")
    before = None if after is None else _cursor(after)
    with transaction() as tx:
        which = Which(
            user=lookup.user(tx, user).id if user else None,
            campaign=lookup.campaign(tx, campaign).id if campaign else None,
            since=entry.moment(since, "--since") if since else None,
            until=entry.moment(to, "--to") if to else None,
            state=state,
            flag=flag,
            unattributed=True if unattributed else None,
        )
        rows = history.page(tx, which, limit + 1, before)
    page = rows[:limit]
    more = page[-1].id if len(rows) > limit else None
    columns = (
        "receipt", "campaign", "matched_by", "states", "reports", "revenue", "flags", "created_at",
    )  # fmt: skip
    output.print_page(json, page, more, columns, "No conversions.")


@app.command()
def show(
    receipt: Annotated[str, typer.Argument(help="A sale's, a rebill's or an upsell's.")],
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="Whose, when several have such a receipt.")
    ] = None,
    json: output.Json = False,
) -> None:
    """Show the whole chain: click, sale, upsells, rebills, refunds, deliveries."""
    with transaction() as tx:
        found = _chain(tx, _order(tx, receipt.strip(), user))
    if json:
        output.print_json(_facts(receipt.strip(), found))
        return
    output.print_drawn(chain.draw(found))


def _order(tx: Tx, receipt: str, user: str | None) -> Told:
    owner = lookup.user(tx, user).id if user else None
    for text in dict.fromkeys((receipt, base_of(receipt))):
        found = history.orders(tx, text, owner)
        if len(found) > 1:
            emails, _ = history.names(tx, found)
            raise Misused(
                f"{text} is a receipt of {', '.join(sorted(emails.values()))}: say whose by --user."
            )
        if found:
            return found[0]
    raise _absent(tx, receipt)


def _absent(tx: Tx, receipt: str) -> HopfleetError:
    """Why there is no such order, for somebody who knows that it was told."""
    held = history.waiting(tx, receipt)
    if held is None:
        return Misused(f"There is no receipt {receipt!r}: `hopfleet conversions list` shows them.")
    number, state, reason = held
    if state == "dead":
        return HopfleetError(
            f"{receipt} could not be stored: `hopfleet dead show event:{number}` says why."
        )
    for_what = "its click, 15 minutes at most" if reason == "click_pending" else "its turn"
    return HopfleetError(f"{receipt} was told, and waits for {for_what}: look again later.")


def _chain(tx: Tx, asked: Told) -> Chain:
    orders = history.family(tx, asked)
    facts = receipts.of_orders(tx, [one.id for one in orders])
    click_id = asked.click_id or next((one.click_id for one in orders if one.click_id), None)
    emails, campaigns = history.names(tx, orders)
    return Chain(
        asked,
        orders,
        {one.id: entries(facts.get(one.id, ())) for one in orders},
        history.deliveries(tx, [one.id for one in orders]),
        history.click(tx, asked.user_id, click_id) if click_id else None,
        emails.get(asked.user_id, str(asked.user_id)),
        campaigns,
    )


def _facts(receipt: str, found: Chain) -> dict[str, Any]:
    of = found.asked
    counted = [one for order in found.orders for one in found.entries[order.id] if one.counted]
    return {
        "receipt": receipt,
        "user_id": of.user_id,
        "click_id": of.click_id,
        "campaign_id": of.campaign_id,
        "matched_by": of.matched_by,
        "events": [
            _event(one)
            for one in sorted(counted, key=lambda one: (one.created_at, one.event_type, one.id))
        ],
        "deliveries": [
            {"bonus_id": one.bonus_id, "state": one.state, "delivered_at": one.delivered_at}
            for one in found.deliveries
        ],
        "orders": [_details(order, found.entries[order.id]) for order in found.orders],
    }


def _event(entry: Entry) -> dict[str, Any]:
    return {
        "event_type": entry.event_type,
        "revenue": entry.revenue,
        "created_at": entry.created_at,
        "reason": entry.reason,
    }


def _details(order: Told, found: list[Entry]) -> dict[str, Any]:
    """What is behind the events: every payment, and everybody who told of it."""
    return {
        "receipt": order.receipt,
        "parent": order.parent,
        "click_id": order.click_id,
        "campaign_id": order.campaign_id,
        "matched_by": order.matched_by,
        "payments": [
            one._asdict() | {"roads": [_road(road) for road in one.roads]} for one in found
        ],
    }


def _road(fact: Fact) -> dict[str, Any]:
    return {
        "door": fact.door,
        "state": fact.state,
        "verdict": fact.verdict,
        "amount": fact.amount,
        "currency": fact.currency,
        "integration_id": fact.integration_id,
        "created_at": fact.created_at,
    }


def _cursor(typed: str) -> int:
    if not (typed.isascii() and typed.isdigit() and len(typed) < 19):
        raise Misused(f"{typed!r} is no cursor: use the one the page before ended with.")
    return int(typed)


app.command()(reconcile)
