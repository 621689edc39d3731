"""Hooks' posts on their way from the journal to the workflows they fire."""

import hashlib
from typing import Any
from uuid import UUID

from base.ids import ms_of, time_of
from db import idempotency, owners, workflow_events
from db.connection import Tx
from db.workflow_events import Fact, HookOf
from rules.times import iso_ms
from schemas.items import Item
from schemas.workflow_events import Kind
from workers import inbox
from workers.outcome import Found, Outcome
from workers.workflows import happened


def take(tx: Tx, found: list[Found], outcome: Outcome) -> list[Found]:
    """Tell the workflows that are meant; a post whose workflow does not listen any more is gone."""
    told = _readable(found, outcome)
    hooks = workflow_events.hooks(tx, {workflow for _, workflow, _ in told})
    wanted: list[tuple[Found, HookOf]] = []
    for one, workflow, number in told:
        hook = hooks.get(workflow)
        if hook is None or hook.number != number:
            _gone(one, outcome)
        else:
            wanted.append((one, hook))
    mine = _first(tx, _owned(tx, wanted, outcome), outcome)
    workflow_events.add(tx, [_fact(one.item, hook) for one, hook in mine])
    outcome.told += len(mine)
    outcome.end([one for one, _ in mine], "stored")
    return []


def _readable(found: list[Found], outcome: Outcome) -> list[tuple[Found, UUID, int]]:
    told = []
    for one in found:
        meta: Any = one.item.get("meta")
        try:
            told.append((one, UUID(meta["workflow"]), int(meta["number"])))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            outcome.bury(one, "unreadable", f"no hook: {type(error).__name__}")
    return told


def _gone(one: Found, outcome: Outcome) -> None:
    outcome.gone += 1
    outcome.end([one], "gone")


def _owned(
    tx: Tx, wanted: list[tuple[Found, HookOf]], outcome: Outcome
) -> list[tuple[Found, HookOf]]:
    """Those whose users we hold; the others wait, or are gone with them."""
    users = {hook.user_id for _, hook in wanted}
    held, _ = owners.lock(tx, users, [])
    there, _ = owners.existing(tx, users - held, []) if users - held else (set(), set())
    owned = []
    for one, hook in wanted:
        if hook.user_id in held:
            owned.append((one, hook))
        elif hook.user_id in there:
            outcome.defer(one)
        else:
            _gone(one, outcome)
    return owned


def _first(
    tx: Tx, owned: list[tuple[Found, HookOf]], outcome: Outcome
) -> list[tuple[Found, HookOf]]:
    """Those whose sender's own id this hook has not seen."""
    keys = {id(one): _key(one.item, hook) for one, hook in owned if "event_id" in one.item}
    ours = idempotency.claim(tx, keys.values()) if keys else set()
    repeats = [one for one, _ in owned if id(one) in keys and keys[id(one)] not in ours]
    outcome.duplicates += len(repeats)
    outcome.end(repeats, "duplicate")
    return [pair for pair in owned if pair[0] not in repeats]


def _key(item: Item, hook: HookOf) -> idempotency.Key:
    """One sender may tell several hooks of the same event."""
    told = f"{hook.workflow_id}:{item['event_id']}".encode()
    return hook.user_id, f"hook:{hashlib.sha256(told).hexdigest()}", item["id"]


def _fact(item: Item, hook: HookOf) -> Fact:
    meta = item["meta"]
    depth = meta.get("depth")
    data = {
        "type": Kind.HOOK,
        "id": item["id"],
        "occurred_at": iso_ms(ms_of(item["id"])),
        "body": meta.get("body"),
    }
    return Fact(
        Kind.HOOK, hook.user_id, None, item["id"], happened.as_json(data), time_of(item["id"]),
        str(hook.workflow_id), depth if isinstance(depth, int) else 0,
    )  # fmt: skip


inbox.TAKES["hook"] = take
