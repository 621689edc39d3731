"""`hopfleet billing`: how accounts stand with Stripe, which price is which tier, reconciling."""

from typing import Annotated

import typer

from base.errors import Misused
from base.logs import configure
from base.settings import settings
from db import billing, holds, prices
from db.connection import Tx
from ops.cli import lookup, output
from ops.cli.database import transaction
from ops.cli.entry import one_of
from rules.billing import TIERS
from workers.reconciling import Progress, carry_on
from workers.stripe_calls import Run

app = typer.Typer()

Who = Annotated[str, typer.Argument(metavar="USER", help="The user's e-mail or id.")]
_CHANGES = 20


@app.command()
def show(user: Who, json: output.Json = False) -> None:
    """Show a user's customers, subscriptions, holds, and the last changes with their reasons."""
    with transaction() as tx:
        row = lookup.user(tx, user)
        customers = billing.customers_of(tx, row.id)
        states = sorted(billing.states(tx, list(customers)), key=lambda one: one.made_at)
        held = holds.of(tx, row.id)
        changes = holds.changes(tx, row.id, _CHANGES)
    last = {one.subscription_id: one for one in states}
    shown = {
        "id": row.id, "email": row.email, "status": row.status, "tier": row.tier,
        "customers": [{"id": one, "deleted_at": at} for one, at in customers.items()],
        "subscriptions": [
            {"id": one.subscription_id, "status": one.status, "since": one.made_at,
             "prices": [price["id"] for price in one.prices]}
            for one in last.values()
        ],
        "holds": [{"kind": one.kind, "ref": one.ref, "since": one.made_at} for one in held],
        "changes": [
            {"at": at, "cause": cause, "before": before, "after": after}
            for at, cause, before, after in changes
        ],
    }  # fmt: skip
    if json:
        output.print_json(shown)
        return
    output.say(f"{row.email}: {row.status}, {row.tier}")
    for one in last.values():
        output.say(f"  {one.subscription_id} of {one.customer_id}: {one.status}")
    for hold in held:
        output.say(f"  held: {hold.kind} {hold.ref}".rstrip())
    for at, cause, before, after in changes:
        said = ", ".join(f"{name} {before[name]} → {after[name]}" for name in after)
        output.say(f"  {output.iso(at)}  {said}  ({cause})")


@app.command("prices")
def prices_(json: output.Json = False) -> None:
    """Show the prices of Stripe's that are known, and the tier of each."""
    with transaction() as tx:
        rows = prices.page(tx)
    if json:
        output.print_json({"items": [row._asdict() for row in rows]})
    elif rows:
        output.print_table(rows[0]._fields, rows)
    else:
        output.say("No prices yet: they come with messages, or by `hopfleet billing tier`.")


@app.command()
def tier(
    price: Annotated[str, typer.Argument(metavar="PRICE", help="A price's or product's id.")],
    name: Annotated[str, typer.Argument(metavar="TIER", help=" | ".join((*TIERS, "none")))],
    json: output.Json = False,
) -> None:
    """Say which tier a price stands for; `none` leaves it to Stripe's metadata again."""
    one_of(name, (*TIERS, "none"), "TIER")
    if not 0 < len(price) <= 255:
        raise Misused("A price's id looks like price_1Abc and has at most 255 characters.")
    with transaction() as tx:
        prices.put(tx, price, None if name == "none" else name)
    if json:
        output.print_json({"price_id": price, "tier": None if name == "none" else name})
    else:
        output.say(f"{price} is {name}. Accounts follow at their next message, or reconcile now.")


@app.command()
def reconcile(json: output.Json = False) -> None:
    """Hold all of Stripe's subscriptions against the accounts, and repair these; nightly anyway."""
    if settings().stripe_api_key is None:
        raise Misused("Set HOPFLEET_STRIPE_API_KEY: without it Stripe cannot be asked.")
    configure("error")
    with transaction():
        pass  # a database that is away is said before Stripe is asked
    done = carry_on(Progress(), Run(), _not_kept, lambda: True)
    told = {"subscriptions": done.subscriptions, "drifted": done.drifted, "missed": done.missed}
    if json:
        output.print_json(told)
    else:
        output.say(
            f"{done.subscriptions} subscriptions: {done.drifted} accounts repaired,"
            f" {done.missed} lost messages taken in."
        )


def _not_kept(tx: Tx, progress: Progress) -> None:
    """A person who stops it begins anew."""
