"""`GET,POST /postback/{key}`: another network reports a payment."""

import codecs
from collections.abc import Mapping
from typing import Any

from base.errors import Refused, StoreAway
from base.ids import uuid7_hex
from db.integrations import digest_of, well_formed
from ingest import answers
from ingest.http import Request
from ingest.links import Integration, Link
from ingest.responses import response
from ingest.rooms import Rooms
from ingest.shape import sealed
from journal.streams import BULK, Kind
from rules import addresses
from rules.postbacks import Report, add, parameters, report
from rules.senders import is_allowed, is_signed
from rules.times import accepted, iso_ms
from schemas import bodies
from schemas.items import Door, Item

MOST_BYTES = 64 * 1024
_LOST = "Not recorded: send it again."


def take(rooms: Rooms, request: Request, key: str, query: bytes) -> bytes | None:
    """The answer to a report; None when it comes later."""
    if len(request.body) > MOST_BYTES:
        return answers.error(413, f"The body is larger than {MOST_BYTES} bytes.")
    if b"content-encoding" in request.headers:
        return answers.error(415, "Send the body without Content-Encoding.")
    if not well_formed(key):
        return _unknown(rooms)  # a made-up key costs arithmetic, not a look into the database
    rooms.later(request, _found(rooms, request, key, query))
    return None


def _unknown(rooms: Rooms) -> bytes:
    rooms.counts["postback_unknown"] += 1
    return answers.error(404, "There is no such postback address, or it is disabled.")


async def _found(rooms: Rooms, request: Request, key: str, query: bytes) -> bytes | None:
    digest = digest_of(key).hex()
    try:
        one = (await rooms.integrations.fetch([digest]))[digest]
    except StoreAway:
        return answers.try_again("This address cannot be looked up right now: send it again.")
    if one is None:
        return _unknown(rooms)
    if wait := rooms.limits.wait_seconds(digest, one.user_id):
        rooms.counts["rate_limited_key"] += 1
        return answers.too_many("Too many reports at once: wait, then send it again.", wait)
    beyond_share = rooms.limits.posted(digest, one.user_id, 1)
    if why := _stranger(rooms, request, query, one):
        rooms.counts["postback_forbidden"] += 1
        return answers.error(403, why)
    try:
        told = report(_parameters(request, query), one.reading)
        link = await _link(rooms, told, one)
    except Refused as refusal:
        rooms.counts["postback_refused"] += 1
        return answers.error(400, str(refusal))
    except StoreAway:
        return answers.try_again("Your campaigns cannot be looked up: send it again.")
    if told is None:
        rooms.counts["postback_ignored"] += 1
        return _answer(one, b"")
    item = _item(rooms, told, one, link)
    rooms.counts["postback"] += 1
    ack = b"X-Click-Id: %b\r\n" % (item.get("click") or item["id"]).encode()
    lost = answers.try_again(_LOST)
    kind = BULK[Kind.CONVERSIONS] if beyond_share else Kind.CONVERSIONS
    rooms.recorder.record(kind, item, (request, _answer(one, ack), lost))
    return None


def _stranger(rooms: Rooms, request: Request, query: bytes, one: Integration) -> str | None:
    """Why this sender may not report; None when he may."""
    how = one.reading
    if how.allowed:
        forwarded = request.headers.get(b"x-forwarded-for")
        address = addresses.client(
            request.peer,
            None if forwarded is None else forwarded.decode("latin-1"),
            rooms.settings.trusted_proxies,
        )
        if not is_allowed(address, how.allowed):
            return "This address takes reports from listed senders only."
    signature = how.settings.hmac
    if signature and not is_signed(query, request.body, signature, one.secrets.get("hmac")):
        return f"The report must be signed: its parameter {signature.param} is missing or wrong."
    return None


def _parameters(request: Request, query: bytes) -> dict[str, str]:
    """What the query and the body say together, be it a form or a JSON object."""
    body = request.body.strip()
    if body[:1] not in (b"{", b"["):
        if body.startswith((codecs.BOM_UTF8, b"--")) or b"\0" in body:
            raise Refused("Send a form (application/x-www-form-urlencoded) or a JSON object.")
        return parameters(query, body)
    given = bodies.value(body)
    if not isinstance(given, dict):
        raise Refused("The body must be a JSON object.")
    found = parameters(query)
    for name, value in given.items():
        if value is not None:
            add(found, name, _text(name, value))
    return found


def _text(name: str, value: Any) -> str:
    """Texts and numbers as they are written; other values cannot be part of a payment."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int) and abs(value) < 10**20:
        return str(value)
    return f"{value!r}" if isinstance(value, float) else ""


async def _link(rooms: Rooms, told: Report | None, one: Integration) -> Link | None:
    """The campaign that the report names; raises `Refused` when it is not the integration's."""
    if told is None or told.tracking_id is None:
        return None
    link = (await rooms.links.fetch([told.tracking_id]))[told.tracking_id]
    if link is None or link.user_id != one.user_id:
        # Another tenant's campaign is answered like one that never was.
        raise Refused("tracking_id: you have no campaign with this tracking id.")
    return link


def _item(rooms: Rooms, told: Report, one: Integration, link: Link | None) -> Item:
    arrival = rooms.clock.ms()
    ms, occurred = accepted(told.occurred, arrival)
    meta = {**told.meta, "received_at": iso_ms(arrival)}
    if occurred is not None:
        meta["occurred_at"] = occurred
    item: Item = {
        "id": uuid7_hex(ms),
        "type": told.type,
        "user": one.user_id,
        "door": Door.POSTBACK,
        "integration": one.id,
        "meta": meta,
    }
    campaign = link.campaign_id if link else one.campaign_id
    given: Mapping[str, str | None] = {
        "campaign": campaign, "receipt": told.receipt, "number": told.number,
        "parent": told.parent, "role": told.role, "state": told.state, "reason": told.reason,
        "source": told.source, "amount": told.amount,
        "currency": None if told.amount is None else told.currency,
        "buyer": None if told.email is None else sealed(told.email, rooms.settings),
    }  # fmt: skip
    item.update({name: text for name, text in given.items() if text})  # type: ignore[typeddict-item]
    if told.receipt:
        meta["order_id"] = told.receipt
    if told.clicks:
        item["click"], *more = told.clicks
        if more:
            item["clicks"] = more
    if (policy := one.reading.settings.duplicates) != "first":
        item["duplicates"] = policy
    return item


def _answer(one: Integration, headers: bytes) -> bytes:
    chosen = one.reading.settings
    kind = b"Content-Type: %b\r\nCache-Control: no-store\r\n" % chosen.answer_type.encode()
    return response(200, headers + kind, chosen.answer.encode("utf-8", "replace"))
