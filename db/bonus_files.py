"""Where a bonus's link leads: the files of a delivery, or of a claim that holds."""

from typing import NamedTuple
from uuid import UUID

from db.connection import Tx


class BonusFile(NamedTuple):
    """One delivery's file; `file_url` is None when the bonus has none any more."""

    delivery_id: int
    user_id: UUID
    campaign_id: UUID
    name: str | None
    file_url: str | None
    revoked: bool


_COLUMNS = "d.id, d.user_id, d.campaign_id, b.name, b.file_url, d.revoked_at IS NOT NULL"


def of_delivery(tx: Tx, delivery_id: int) -> list[BonusFile]:
    """The delivery's own file; nothing when the delivery is no more."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM bonus_deliveries d LEFT JOIN bonuses b ON b.id = d.bonus_id"
        " WHERE d.id = %s",
        (delivery_id,),
    )
    return [BonusFile(*row) for row in rows]


def of_claim(tx: Tx, item_id: str) -> list[BonusFile]:
    """Files whose links the claim has earned; nothing while it holds no delivery."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM bonus_claims c"
        " JOIN bonus_deliveries d ON d.order_id = c.order_id AND d.delivered_at IS NOT NULL"
        " JOIN bonuses b ON b.id = d.bonus_id AND b.delivery_method = 'download'"
        " WHERE c.item_id = %s ORDER BY d.id",
        (item_id,),
    )
    return [BonusFile(*row) for row in rows]


def has_downloads(tx: Tx, campaign_id: str) -> bool:
    """Whether a campaign gives away something by a link on the claim's page."""
    row = tx.execute(
        "SELECT EXISTS (SELECT FROM bonuses WHERE campaign_id = %s AND is_active"
        " AND delivery_method = 'download')",
        (campaign_id,),
    ).fetchone()
    return row is not None and bool(row[0])
