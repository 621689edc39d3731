"""`hopfleet links TRACKING_ID`: the addresses of a campaign, ready to be pasted."""

from typing import Annotated

import typer

from ops.cli import lookup, output, places
from ops.cli.database import transaction

app = typer.Typer()


@app.command()
def links(
    tracking_id: Annotated[
        str, typer.Argument(metavar="TRACKING_ID", help="Of a campaign (its id will do, too).")
    ],
    json: output.Json = False,
) -> None:
    """Print link, pixel, script, beacon, a line to try them with, and a snippet for pages."""
    with transaction() as tx:
        row = lookup.campaign(tx, tracking_id)
    if row.tracking_id is None:
        output.note("This campaign has no tracking id, so no visitor can reach it.")
        raise typer.Exit(1)
    addresses = places.of(row.tracking_id)
    ways = {
        "pixel_html": f'<img src="{addresses["pixel_url"]}" width="1" height="1" alt="">',
        "script_html": f'<script async src="{addresses["script_url"]}"></script>',
        "snippet": _snippet(addresses["beacon_url"]),
        "curl": f"curl -i '{addresses['redirect_url']}?source=test&sub1=first'",
    }
    if json:
        output.print_json(
            {"tracking_id": row.tracking_id, "status": row.status, **addresses, **ways}
        )
        return
    output.say(_page(addresses, ways))
    if row.status != "active":
        output.note(f"The campaign is {row.status}: `hopfleet campaigns resume {row.tracking_id}`.")


def _snippet(beacon_url: str) -> str:
    """A view, told by the page itself, without cookies, with what stands in its address.

    `event` is set last: an address must not be able to report a sale.
    """
    return (
        "<script>\n"
        "(function () {\n"
        "  var seen = Object.fromEntries(new URLSearchParams(location.search));\n"
        '  seen.event = "view";\n'
        f'  navigator.sendBeacon("{beacon_url}", JSON.stringify(seen));\n'
        "})();\n"
        "</script>"
    )


def _page(addresses: dict[str, str], ways: dict[str, str]) -> str:
    return (
        f"Link, for visitors to click (add ?source=…&sub1=… to tell them apart):\n"
        f"  {addresses['redirect_url']}\n\n"
        f"Pixel, for pages and mails (?event=conversion&order_id=…&amount=12.50 for a sale):\n"
        f"  {ways['pixel_html']}\n\n"
        f"Script, for pages whose ads forbid redirects (one a page; it marks the links):\n"
        f"  {ways['script_html']}\n\n"
        f"Beacon, for your own scripts:\n"
        f"  {addresses['beacon_url']}\n\n"
        f"Snippet, for a page that is to report its views:\n"
        + "\n".join(f"  {line}" for line in ways["snippet"].splitlines())
        + f"\n\nTry it:\n  {ways['curl']}"
    )
