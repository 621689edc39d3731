"""What `doctor` looks at of products: how old the catalogue is, and how its last sync ended."""

from collections.abc import Iterator

from db import product_syncs
from db.product_syncs import FEED
from ops.cli.database import transaction
from ops.cli.findings import Finding, warning, well
from ops.cli.output import iso, printable

OLD_DAYS = 3  # the marketplace makes a feed a day
_WELL = ("applied", "cancelled")  # the second by whoever ran it
_QUIET = "not_newer"  # there was nothing to take


def check() -> Iterator[Finding]:
    """Nothing where no feed was ever asked for."""
    with transaction() as tx:
        last = product_syncs.last_ended(tx, FEED)
        applied = product_syncs.last_applied(tx, FEED)
        age = product_syncs.feed_age_seconds(tx)
    if last is not None and last["outcome"] not in _WELL and last["reason"] != _QUIET:
        why = last["refused"] or last["last_error"] or last["reason"] or "nobody knows why"
        ended = "was refused" if last["outcome"] == "refused" else "died"
        yield warning(
            "products",
            f"The last sync {ended} ({printable(why).rstrip('.')}):"
            " `hopfleet products syncs` tells more, `hopfleet products sync` tries again.",
        )
    if applied is None or age is None:
        return
    if age > OLD_DAYS * 86_400:
        yield warning(
            "products",
            f"Nobody has heard of a feed of products for {age / 86_400:,.0f} days:"
            " `hopfleet products sync` brings the newest; a running scheduler does so daily.",
        )
    else:
        yield well("products", f"The last feed was taken in at {iso(applied['finished_at'])}.")
