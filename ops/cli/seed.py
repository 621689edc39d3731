"""`hopfleet seed`: users, campaigns and events that look real, to try reports and queries on."""

import random
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated
from uuid import UUID

import typer

from base.clock import now
from base.logs import configure
from db import campaigns, events, partitions, users
from db.paging import Place
from ops.cli import output, removal, seed_feed, seeding
from ops.cli.database import transaction
from ops.cli.progress import bar

_HOST = "seed.hopfleet.example"  # a name nobody can have: whoever has it was made here
_CHUNK = 5_000

app = typer.Typer()
app.command("feed")(seed_feed.feed)


@app.callback(invoke_without_command=True)
def seed(
    context: typer.Context,
    user_count: Annotated[int, typer.Option("--users", min=1, max=1_000)] = 2,
    campaign_count: Annotated[
        int, typer.Option("--campaigns", min=1, max=10_000, help="Of all users together.")
    ] = 10,
    event_count: Annotated[int, typer.Option("--events", min=0, max=100_000_000)] = 10_000,
    days: Annotated[
        int, typer.Option(min=1, max=3_650, help="How far back the events reach.")
    ] = 30,
    remove: Annotated[
        bool, typer.Option("--remove", help="Delete everything that `seed` ever made.")
    ] = False,
    yes: output.Yes = False,
    json: output.Json = False,
) -> None:
    """Fill the tables: few campaigns get most clicks, nights are quiet, a few visitors buy."""
    if context.invoked_subcommand is not None:
        return
    configure("error")
    if remove:
        _remove(yes, json)
        return
    owned = _owners(user_count, max(campaign_count, user_count))
    _make_months(days)
    stored = _fill(owned, event_count, days)
    made = {"users": user_count, "campaigns": len(owned), "events": stored}
    if json:
        output.print_json(made)
        return
    output.say(
        f"Made {user_count:,} users, {len(owned):,} campaigns and {stored:,} events of the last"
        f" {days:,} days."
    )
    output.note("Remove it all again: hopfleet seed --remove")


def _owners(user_count: int, campaign_count: int) -> list[tuple[UUID, UUID]]:
    """New users and campaigns; returns (user, campaign) pairs, the busiest campaign first."""
    tag = secrets.token_hex(3)
    made = []
    with bar("Making users", user_count, "users") as shown:
        for number in range(user_count):
            with transaction() as tx:
                made.append(users.add(tx, f"seed-{tag}-{number + 1}@{_HOST}").id)
            shown.advance(1)
    owned = []
    with transaction() as tx:
        for number in range(campaign_count):
            user = made[number % user_count]
            link = f"https://shop{number + 1}.example/offer?click={{click_id}}"
            row = campaigns.add(tx, user, f"Seed {number + 1}", link)
            owned.append((user, row.id))
    return owned


def _make_months(days: int) -> None:
    today = now().date()
    with transaction() as tx:
        partitions.ensure_months(tx, today - timedelta(days=days), today)


def _fill(owned: list[tuple[UUID, UUID]], event_count: int, days: int) -> int:
    stored = 0
    rows = seeding.rows(random.Random(), owned, now(), days)
    with bar("Making events", event_count, "events") as shown:
        while stored < event_count:
            count = min(_CHUNK, event_count - stored)
            with transaction() as tx:
                events.copy(tx, (next(rows) for _ in range(count)))
            stored += count
            shown.advance(count)
    return stored


def _remove(yes: bool, json: bool) -> None:
    seeded = [removal.Doomed("user", row.id, row.email) for row in _seeded()]
    if seeded:
        output.confirm(f"Delete {len(seeded):,} seeded users with all they own?", yes=yes)
    elif not json:
        output.note("Nothing here was made by `hopfleet seed`.")
        return
    removal.remove(seeded, json=json)


def _seeded() -> Iterator[users.UserRow]:
    after: Place | None = None
    while True:
        with transaction() as tx:
            page = users.page(tx, 1_000, after)
        yield from (row for row in page if row.email.endswith(f"@{_HOST}"))
        if len(page) < 1_000:
            return
        after = Place(page[-1].created_at, page[-1].id)
