"""`hopfleet campaigns`: where tracking links lead, and for whom they count."""

from typing import Annotated, Any

import typer

from base.errors import Misused
from db import campaigns, products
from db.campaigns import CampaignRow
from db.paging import Place, place
from db.products import Named
from ops.cli import campaign_product, campaign_settings, lookup, output, places, removal
from ops.cli.database import transaction
from ops.cli.entry import one_of, text
from ops.cli.entry import tracking_id as checked_tracking_id
from schemas.campaigns import MOST_ATTRIBUTION_DAYS

STATUSES = ("draft", "active", "paused", "completed")

app = typer.Typer()

Which = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="The campaign's tracking id or id.")]
Setting = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="May be given several times; NAME= removes it."),
]
PassThrough = Annotated[
    bool | None,
    typer.Option(
        "--pass-through/--no-pass-through", help="Add the visitor's other parameters to the link."
    ),
]
FallbackUrl = Annotated[
    str | None, typer.Option(help="Where visitors go while the campaign is paused.")
]
ReferrerPolicy = Annotated[str | None, typer.Option(help="The redirect's Referrer-Policy header.")]
AttributionDays = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MOST_ATTRIBUTION_DAYS,
        help="How many days after a click a sale counts for it; 0: for ever.",
    ),
]
_LINK = "Where visitors are sent; {click_id} {source} {sub1}… in it are filled in."


@app.command()
def add(
    user: Annotated[str, typer.Option(metavar="USER", help="The user's e-mail or id.")],
    name: Annotated[str, typer.Option(help="Shown to people.")],
    link: Annotated[str | None, typer.Option(help=_LINK)] = None,
    product: Annotated[
        str | None,
        typer.Option(metavar="CLICKBANK_ID", help="For this product; without --link: its hoplink."),
    ] = None,
    nickname: Annotated[
        str | None,
        typer.Option(help="Whose hoplink [that of the user's ClickBank integration]"),
    ] = None,
    draft: Annotated[bool, typer.Option("--draft", help="Not active yet.")] = False,
    tracking_id: Annotated[
        str | None, typer.Option(help="One of your own choice; else a new one is made.")
    ] = None,
    funnel_type: Annotated[str | None, typer.Option(help="For your own reports.")] = None,
    setting: Setting = None,
    pass_through: PassThrough = None,
    fallback_url: FallbackUrl = None,
    referrer_policy: ReferrerPolicy = None,
    attribution_days: AttributionDays = None,
    json: output.Json = False,
) -> None:
    """Add a campaign, active unless --draft, and show its addresses."""
    title = text(name, "--name", 255, least=1)
    own = None if tracking_id is None else checked_tracking_id(tracking_id)
    kind = text(funnel_type, "--funnel-type", 100) or None
    changes = campaign_settings.chosen(
        setting or [], pass_through, fallback_url, referrer_policy, attribution_days
    )
    with transaction() as tx:
        owner = lookup.user(tx, user).id
        leads = campaign_product.chosen(tx, owner, product, nickname, link)
        row = campaigns.add(
            tx,
            owner,
            title,
            places.check_destination(leads.link, "--link"),
            status="draft" if draft else "active",
            funnel_type=kind,
            settings=campaign_settings.merged(None, changes) or None,
            tracking_id=own,
            product_id=leads.product_id,
        )
    assert row.tracking_id is not None
    made = {"id": row.id, "tracking_id": row.tracking_id, **places.of(row.tracking_id)}
    if json:
        output.print_json(made)
        return
    output.print_fields({**made, "status": row.status, "affiliate_link": row.affiliate_link})
    output.note(f"More ways to use it: hopfleet links {row.tracking_id}")


@app.command("list")
def list_(
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only this user's.")] = None,
    status: Annotated[str | None, typer.Option(help=" | ".join(STATUSES))] = None,
    limit: output.Limit = 50,
    after: output.After = None,
    json: output.Json = False,
) -> None:
    """Show campaigns, newest first."""
    with transaction() as tx:
        owner = lookup.user(tx, user).id if user else None
        rows = campaigns.page(tx, limit + 1, place(after), user_id=owner, status=status)
    page = rows[:limit]
    more = str(Place(page[-1].created_at, page[-1].id)) if len(rows) > limit else None
    columns = ("tracking_id", "name", "status", "affiliate_link", "created_at", "id")
    none = "No campaigns: `hopfleet campaigns add --user E --name N --link URL`."
    output.print_page(json, page, more, columns, none)


@app.command()
def show(campaign: Which, json: output.Json = False) -> None:
    """Show everything about one campaign."""
    with transaction() as tx:
        row = lookup.campaign(tx, campaign)
        product = products.by_id(tx, row.product_id) if row.product_id else None
    _print(row, json, product)


@app.command("set")
def set_(
    campaign: Which,
    name: Annotated[str | None, typer.Option(help="Shown to people.")] = None,
    link: Annotated[str | None, typer.Option(help=_LINK)] = None,
    status: Annotated[str | None, typer.Option(help=" | ".join(STATUSES))] = None,
    funnel_type: Annotated[str | None, typer.Option(help="Empty for none.")] = None,
    setting: Setting = None,
    pass_through: PassThrough = None,
    fallback_url: FallbackUrl = None,
    referrer_policy: ReferrerPolicy = None,
    attribution_days: AttributionDays = None,
    json: output.Json = False,
) -> None:
    """Change what is named; acts at every door within two seconds."""
    fields: dict[str, Any] = {}
    if name is not None:
        fields["name"] = text(name, "--name", 255, least=1)
    if link is not None:
        fields["affiliate_link"] = places.check_destination(link, "--link")
    if status is not None:
        fields["status"] = one_of(status, STATUSES, "--status")
    if funnel_type is not None:
        fields["funnel_type"] = text(funnel_type, "--funnel-type", 100) or None
    changes = campaign_settings.chosen(
        setting or [], pass_through, fallback_url, referrer_policy, attribution_days
    )
    if not fields and not changes:
        raise Misused("Nothing to set: name at least one option, `--help` lists them.")
    with transaction() as tx:
        row = lookup.campaign(tx, campaign)
        if changes:
            fields["settings"] = campaign_settings.merged(row.settings, changes)
        row = campaigns.set_fields(tx, row.id, fields) or row
    _print(row, json)


@app.command()
def pause(campaign: Which, json: output.Json = False) -> None:
    """Send visitors to the fallback, else still to the link; clicks are stored and marked."""
    _set_status(campaign, "paused", json)


@app.command()
def resume(campaign: Which, json: output.Json = False) -> None:
    """Make a campaign active again, or a draft active for the first time."""
    _set_status(campaign, "active", json)


def _set_status(campaign: str, status: str, json: bool) -> None:
    with transaction() as tx:
        row = lookup.campaign(tx, campaign)
        row = campaigns.set_fields(tx, row.id, {"status": status}) or row
    if json:
        output.print_json({"id": row.id, "tracking_id": row.tracking_id, "status": row.status})
    else:
        output.say(f"{row.name} ({row.tracking_id}) is {row.status}.")


@app.command()
def delete(
    campaign: Annotated[list[str], typer.Argument(metavar="CAMPAIGN", help="Tracking ids or ids.")],
    yes: output.Yes = False,
    json: output.Json = False,
) -> None:
    """Delete campaigns with all their events. Links stop at once."""
    with transaction() as tx:
        rows = {row.id: row for row in (lookup.campaign(tx, which) for which in campaign)}
    names = ", ".join(f"{row.name} ({row.tracking_id})" for row in rows.values())
    output.confirm(f"Delete {names} with all events, for good?", yes=yes)
    doomed = [removal.Doomed("campaign", row.id, row.name) for row in rows.values()]
    removal.remove(doomed, json=json)


def _print(row: CampaignRow, json: bool, product: Named | None = None) -> None:
    shown = row._asdict()
    if product is not None:
        shown["product"] = product.clickbank_id
    if row.tracking_id:
        shown |= places.of(row.tracking_id)
    if json:
        output.print_json(shown)
        return
    settings = row.settings if isinstance(row.settings, dict) else {}
    shown["settings"] = ", ".join(f"{name}={value}" for name, value in settings.items())
    output.print_fields(shown)
