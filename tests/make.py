"""The smallest valid row of each table, anything overridable; returns all of its columns."""

from itertools import count
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from base.clock import wall_ms
from base.ids import uuid7_hex
from db.connection import Tx

Made = dict[str, Any]

_next = count(1).__next__


def insert(tx: Tx, table: str, columns: dict[str, Any]) -> Made:
    """Any row, by the name of its table."""
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING *").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(sql.Placeholder() * len(columns)),
    )
    values = [Jsonb(value) if isinstance(value, dict) else value for value in columns.values()]
    with tx.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement, values).fetchone()
    assert row is not None
    return row


def user(tx: Tx, **columns: Any) -> Made:
    """A user who is active and cannot log in."""
    usual = {"email": f"user{_next()}@example.com", "password_hash": "-", "status": "active"}
    return insert(tx, "users", usual | columns)


def product(tx: Tx, **columns: Any) -> Made:
    """A product of the catalogue."""
    usual = {"clickbank_id": f"product{_next()}", "title": "A product", "vendor": "vendor"}
    return insert(tx, "products", usual | columns)


def campaign(tx: Tx, **columns: Any) -> Made:
    """An active campaign with a link; of a new user when `user_id` is not given."""
    if "user_id" not in columns:
        columns["user_id"] = user(tx)["id"]
    usual = {
        "name": "A campaign",
        "status": "active",
        "tracking_id": f"t{_next()}",
        "affiliate_link": "https://example.com/",
    }
    return insert(tx, "campaigns", usual | columns)


def content(tx: Tx, user_id: UUID, **columns: Any) -> Made:
    """A draft of a post."""
    usual = {"user_id": user_id, "type": "blog_post", "body": "text"}
    return insert(tx, "content", usual | columns)


def workflow(tx: Tx, user_id: UUID, **columns: Any) -> Made:
    """A draft of a workflow without actions."""
    usual = {"user_id": user_id, "name": "A workflow", "trigger_type": "manual"}
    return insert(tx, "workflows", usual | {"actions": Jsonb([])} | columns)


def event(tx: Tx, user_id: UUID, **columns: Any) -> Made:
    """A click, just now."""
    usual = {"user_id": user_id, "event_type": "click"}
    return insert(tx, "analytics_events", usual | columns)


def bonus(tx: Tx, campaign_id: UUID, **columns: Any) -> Made:
    """A bonus of a campaign."""
    return insert(tx, "bonuses", {"campaign_id": campaign_id, "name": "A bonus"} | columns)


def team(tx: Tx, owner_id: UUID, **columns: Any) -> Made:
    """A team without members."""
    return insert(tx, "teams", {"owner_id": owner_id, "name": "A team"} | columns)


def team_member(tx: Tx, team_id: UUID, user_id: UUID, **columns: Any) -> Made:
    """A member of a team."""
    return insert(tx, "team_members", {"team_id": team_id, "user_id": user_id} | columns)


def api_key(tx: Tx, user_id: UUID, **columns: Any) -> Made:
    """A key whose text nobody knows."""
    usual = {"user_id": user_id, "name": "A key", "prefix": "hf_000000", "digest": uuid4().bytes}
    return insert(tx, "api_keys", usual | columns)


def integration(tx: Tx, user_id: UUID, **columns: Any) -> Made:
    """A network whose key nobody knows."""
    usual = {
        "user_id": user_id,
        "network": "clickbank",
        "name": "A network",
        "key_digest": uuid4().bytes,
        "sealed": b"",
    }
    return insert(tx, "integrations", usual | columns)


def order(tx: Tx, user_id: UUID, **columns: Any) -> Made:
    """An order that follows no click."""
    return insert(tx, "orders", {"user_id": user_id, "receipt": f"R{_next():07}"} | columns)


def receipt(tx: Tx, order: Made, **columns: Any) -> Made:
    """A sale of ten dollars of that order, told by the API just now; its first report."""
    item_id = columns.get("item_id") or batch_id()
    usual = {
        "order_id": order["id"],
        "user_id": order["user_id"],
        "receipt": order["receipt"],
        "type": "conversion",
        "state": "approved",
        "door": "events",
        "verdict": "counted",
        "amount": "10.00",
        "currency": "USD",
        "revenue": "10.00",
        "event_id": item_id,
        "item_id": item_id,
        "click_id": order["click_id"],
        "campaign_id": order["campaign_id"],
    }
    return insert(tx, "receipts", usual | columns)


def webhook(tx: Tx, **columns: Any) -> Made:
    """A message of Stripe's that somebody still has to handle."""
    usual = {"source": "stripe", "external_id": f"evt_{_next()}", "body": b"{}"}
    return insert(tx, "webhooks", usual | columns)


def batch_id(ms: int | None = None) -> str:
    """A batch's or a click's id, as a door makes it; now unless `ms` says otherwise."""
    return uuid7_hex(wall_ms() if ms is None else ms)
