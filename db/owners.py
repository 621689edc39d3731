"""Owners: the users and campaigns that events belong to, held while rows are written."""

from collections.abc import Iterable

from db import ids
from db.connection import Tx

Owners = tuple[set[str], set[str]]

_LOCKED = """
    SELECT true, id::text FROM (
        SELECT id FROM users WHERE id = ANY(%s::uuid[]) ORDER BY id
        FOR KEY SHARE SKIP LOCKED) AS held_users
    UNION ALL
    SELECT false, id::text FROM (
        SELECT id FROM campaigns WHERE id = ANY(%s::uuid[]) ORDER BY id
        FOR KEY SHARE SKIP LOCKED) AS held_campaigns
"""
_EXISTING = """
    SELECT true, id::text FROM users WHERE id = ANY(%s::uuid[])
    UNION ALL
    SELECT false, id::text FROM campaigns WHERE id = ANY(%s::uuid[])
"""


def lock(tx: Tx, user_ids: Iterable[str], campaign_ids: Iterable[str]) -> Owners:
    """Those users and campaigns that exist and cannot be deleted until this transaction ends.

    One round trip, users before campaigns, never waiting: who is missing from the answer is
    either gone or being deleted right now; `existing` tells which.
    """
    return _split(tx, _LOCKED, user_ids, campaign_ids)


def existing(tx: Tx, user_ids: Iterable[str], campaign_ids: Iterable[str]) -> Owners:
    """Those users and campaigns whose rows are there, locked by somebody or not."""
    return _split(tx, _EXISTING, user_ids, campaign_ids)


def _split(tx: Tx, statement: str, user_ids: Iterable[str], campaign_ids: Iterable[str]) -> Owners:
    users: set[str] = set()
    campaigns: set[str] = set()
    for is_user, key in tx.execute(statement, (ids.array(user_ids), ids.array(campaign_ids))):
        (users if is_user else campaigns).add(key)
    return users, campaigns
