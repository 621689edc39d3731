"""`hopfleet conversions reconcile`: what ClickBank sold, held against what we have counted."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from base.clock import now, sleep
from base.errors import Misused
from base.settings import settings
from db.integrations import IntegrationRow
from integrations.clickbank import ClickBank
from ops.cli import entry, lookup, output
from ops.cli.database import transaction
from workers.clickbank_turns import turns
from workers.maintenance import reconciling
from workers.maintenance.reconciling import Report

_COLUMNS = ("kind", "receipt", "type", "role", "ours", "theirs")


def reconcile(
    integration: Annotated[
        str | None, typer.Option(metavar="INTEGRATION", help="Only this one, by id or key.")
    ] = None,
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only this user's.")] = None,
    since: Annotated[
        str, typer.Option(help="From then on: 7d, 2026-05-01.")
    ] = f"{reconciling.NIGHTLY_DAYS}d",
    to: Annotated[str | None, typer.Option("--to", help="Only before then.")] = None,
    json: output.Json = False,
) -> None:
    """Add what ClickBank's notifications have lost, and list what differs; nightly anyway."""
    first = entry.moment(since, "--since")
    last = entry.moment(to, "--to") if to else now() + timedelta(days=1)
    if first >= last:
        raise Misused("--since must be before --to.")
    with transaction() as tx:
        owner = str(lookup.user(tx, user).id) if user else None
        only = str(lookup.integration(tx, integration).id) if integration else None
        found = [
            (row, key)
            for row, key in reconciling.accounts(tx)
            if only in (None, row.id) and owner in (None, row.user_id)
        ]
    if not found:
        raise Misused(
            "No such ClickBank integration has an API key: name one with"
            " `hopfleet integrations rotate INTEGRATION --keep-key --api-key -`."
        )
    reports = {}
    for row, key in found:
        turn = turns(key, sleep)
        with ClickBank(key, settings().clickbank_api_url, sleep, turn=turn) as client:
            reports[row.id] = _whole(reconciling.reconcile(row, client, first, last))
    _say(found, reports, json)


def _whole(report: Report | None) -> Report:
    if report is None:
        raise Misused("That is more than an account may read in a day: take a shorter time.")
    return report


def _say(found: list[tuple[IntegrationRow, Any]], reports: dict[str, Report], json: bool) -> None:
    if json:
        told = [
            {"integration_id": row.id, "user_id": row.user_id, **reports[row.id].shown()}
            for row, _ in found
        ]
        names = ("orders", "added", "waiting", "refused", "unreadable")
        totals = {name: sum(getattr(one, name) for one in reports.values()) for name in names}
        differences = sum(len(one.differences) for one in reports.values())
        output.print_json({**totals, "differences": differences, "integrations": told})
        return
    for row, _ in found:
        one = reports[row.id]
        output.say(
            f"{row.id}: {one.orders:,} orders, {one.added:,} added,"
            f" {len(one.differences):,} that differ."
        )
        if one.waiting:
            output.note(f"{one.waiting} wait for their click: ask again in a quarter of an hour.")
        if one.refused or one.unreadable:
            output.note(f"{one.refused + one.unreadable} could not be read or stored.")
        if one.differences:
            rows = [[value or "" for value in each] for each in one.differences]
            output.print_table(_COLUMNS, rows)
