"""The product a campaign is for, and the hoplink of the account that advertises it."""

from typing import NamedTuple
from uuid import UUID

from base.errors import Misused
from db import integrations, products
from db.connection import Tx
from ops.cli import output
from rules.hoplinks import hoplink
from schemas import integrations as shapes

_MOST = 200


class Chosen(NamedTuple):
    """Where the campaign leads, and which product it is for."""

    link: str
    product_id: UUID | None


def chosen(
    tx: Tx, user_id: UUID, product: str | None, nickname: str | None, link: str | None
) -> Chosen:
    """The link that was given, or else the product's hoplink for the user's ClickBank account.

    Raises `Misused` when neither was given, for a product or nickname that is not known, and when
    it is not clear which account is meant.
    """
    if product is None:
        if link is None:
            raise Misused("Where does it lead? Give --link URL, or --product CLICKBANK_ID.")
        if nickname is not None:
            raise Misused("--nickname goes with --product: it is whose hoplink is built.")
        return Chosen(link, None)
    found = products.named(tx, product)
    if found is None:
        raise Misused(
            f"There is no product {product.strip()[:60]!r}: `hopfleet products search` finds them,"
            " `hopfleet products sync` brings the newest."
        )
    if found.vanished_at is not None:
        output.note(f"{found.clickbank_id} has vanished from the marketplace; sales may not count.")
    if link is not None and nickname is not None:
        raise Misused("--nickname builds a hoplink; with --link there is one already.")
    if link is not None:
        return Chosen(link, found.id)
    return Chosen(hoplink(nickname or account(tx, user_id), found.vendor), found.id)


def account(tx: Tx, user_id: UUID) -> str:
    """The one nickname that a user's ClickBank integrations name; `Misused` unless it is one."""
    known = {
        told.strip().lower()
        for row in integrations.page(tx, user_id, _MOST)
        if row.network == "clickbank" and row.disabled_at is None
        and (told := shapes.read(row.settings).nickname)
    }  # fmt: skip
    if len(known) == 1:
        return known.pop()
    if known:
        raise Misused(f"Which account? --nickname {' | '.join(sorted(known))}")
    raise Misused(
        "Whose hoplink is it? Give --nickname NICK, or set it once:"
        " `hopfleet integrations set KEY --setting nickname=NICK`."
    )
