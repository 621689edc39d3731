"""From a request to an item: who it was, where from, and the id it gets."""

import base64
from functools import lru_cache
from typing import Any

from base.clock import OffsetClock
from base.ids import uuid7_hex
from base.sealing import seal
from base.settings import Settings
from ingest.http import Request
from ingest.links import Link
from journal.streams import Kind
from rules import addresses, bots
from rules.source import click_metadata, source
from rules.text import clean
from rules.times import accepted, iso_ms
from schemas.beacon import BeaconIn
from schemas.events import MONEY_TYPES, EventIn
from schemas.items import Door, Item

MOST_AGENT_CHARACTERS = 1_000
_MOST_BYTES = 2 * MOST_AGENT_CHARACTERS  # cut before any cache: its key is kept, too
_NAMES = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_PREFETCH_HEADERS = frozenset(name.encode() for name in _NAMES)


@lru_cache(4096)
def _text(header: bytes) -> str:
    return clean(header.decode("utf-8", "replace"), MOST_AGENT_CHARACTERS)


# Few: most are either one of a few large sites or seen once.
@lru_cache(512)
def _referrer(header: bytes) -> str | None:
    return addresses.referrer(clean(header.decode("utf-8", "replace"), MOST_AGENT_CHARACTERS))


def kind_of(event_type: str) -> Kind:
    """Which stream an event goes to: money has a queue of its own."""
    return Kind.CLICKS if event_type in ("click", "view") else Kind.CONVERSIONS


class Shaper:
    """Holds what never changes while a door runs: its clock, its secret, whom it trusts."""

    def __init__(self, chosen: Settings, clock: OffsetClock) -> None:
        self._clock = clock
        self._chosen = chosen
        self._secret = chosen.secret
        self._ms, self._iso = 0, iso_ms(0)
        self._trusted = chosen.trusted_proxies
        self._country_header = (chosen.country_header or "").lower().encode()

    def visit(
        self, request: Request, link: Link, door: Door, kind: str, query: dict[str, str]
    ) -> Item:
        """A click, a view or a pixel's conversion: an event that a visitor's browser causes."""
        ms = self._clock.ms()
        if ms != self._ms:  # under load many visits share a millisecond
            self._ms, self._iso = ms, iso_ms(ms)
        meta: dict[str, Any] = click_metadata(query)
        meta["received_at"] = self._iso
        headers = request.headers
        hidden = link.respect_gpc and (
            headers.get(b"sec-gpc") == b"1" or headers.get(b"dnt") == b"1"
        )
        referrer = None
        if b"referer" in headers and not hidden:
            referrer = _referrer(headers[b"referer"][:_MOST_BYTES])
        if not hidden:
            self._who(request, link.user_id, referrer, meta)
        if not headers.keys().isdisjoint(_PREFETCH_HEADERS) and (
            bot := bots.prefetch(
                {name: _text(headers.get(name.encode(), b"")[:_MOST_BYTES]) for name in _NAMES}
            )
        ):
            meta["bot"] = bot
        if link.campaign_status is not None:
            meta["campaign_status"] = link.campaign_status
        item: Item = {
            "id": uuid7_hex(ms),
            "type": kind,
            "user": link.user_id,
            "campaign": link.campaign_id,
            "door": door,
            "meta": meta,
        }
        name, cut = source(query, referrer)
        if name is not None:
            item["source"] = name
            if cut:
                meta["source_cut"] = True
        return item

    def _who(
        self, request: Request, user_id: str, referrer: str | None, meta: dict[str, Any]
    ) -> None:
        """Address (truncated), visitor hash, user agent, referrer, and a proxy's country."""
        headers = request.headers
        agent = _text(headers[b"user-agent"][:_MOST_BYTES]) if b"user-agent" in headers else ""
        forwarded = headers.get(b"x-forwarded-for")
        address = addresses.client(
            request.peer, None if forwarded is None else forwarded.decode("latin-1"), self._trusted
        )
        meta["ip"] = addresses.truncate(address)
        meta["visitor"] = addresses.visitor(self._secret, self._iso[:10], user_id, address, agent)
        meta["ua"] = agent  # an empty one, too: no browser is without
        if referrer:
            meta["referrer"] = referrer
        if self._country_header in headers and self._from_proxy(request.peer):
            country = _text(headers[self._country_header][:_MOST_BYTES])
            if len(country) == 2 and country.isascii() and country.isupper():
                meta["country"] = country

    def network(self, request: Request) -> str:
        """The truncated address of a visitor of whom nothing is kept."""
        forwarded = request.headers.get(b"x-forwarded-for")
        return addresses.truncate(
            addresses.client(
                request.peer,
                None if forwarded is None else forwarded.decode("latin-1"),
                self._trusted,
            )
        )

    def _from_proxy(self, peer: str) -> bool:
        address = addresses.parse(peer)
        return address is not None and any(address in network for network in self._trusted)

    def posted(self, event: EventIn, user_id: str, link: Link | None) -> Item:
        """An event that a developer's server sends; raises nothing, `event` was validated."""
        arrival = self._clock.ms()
        ms, occurred = accepted(event.occurred_at, arrival)
        meta = event.meta()
        meta["received_at"] = iso_ms(arrival)
        if occurred is not None:
            meta["occurred_at"] = occurred
        if address := meta.pop("ip", None):
            meta["ip"] = addresses.truncate(address)
            meta["visitor"] = addresses.visitor(
                self._secret, iso_ms(ms)[:10], user_id, address, meta.get("ua") or ""
            )
        if (said := meta.pop("referrer", None)) and (page := addresses.referrer(said)):
            meta["referrer"] = page
        item: Item = {
            "id": uuid7_hex(ms),
            "type": event.type,
            "user": user_id,
            "door": Door.EVENTS,
            "meta": meta,
        }
        if link is not None:
            item["campaign"] = link.campaign_id
            if link.campaign_status is not None:
                meta["campaign_status"] = link.campaign_status
        if event.click_id is not None:
            item["click"] = event.click_id
        if event.short_source:
            item["source"] = event.short_source
        if event.event_id is not None:
            item["event_id"] = event.event_id
        if event.order_id is not None and event.type in MONEY_TYPES:
            item["receipt"] = event.order_id
        if event.email is not None:
            item["buyer"] = sealed(event.email, self._chosen)
        if event.amount is not None:
            item["amount"] = event.amount
            item["currency"] = event.currency or "USD"
            if item["currency"] != "USD":
                meta["amount"] = event.amount
        return item


def sealed(email: str, chosen: Settings) -> str:
    """A buyer's address as it may stand in a journal: only this installation can read it."""
    return base64.b64encode(seal(email.encode(), chosen)).decode()


def add_told(item: Item, told: BeaconIn) -> None:
    """What a page says beyond its being there; its word on money is never trusted."""
    meta = item["meta"]
    meta.update(told.meta)
    if told.source:
        item["source"] = told.source
    if told.click:
        item["click"] = told.click
    if told.event == "conversion":
        meta["trust"] = "pixel"
        if told.order_id is not None:
            item["receipt"] = told.order_id
    if told.amount is not None:
        if told.currency is None and "currency_refused" in meta:
            meta["amount"] = told.amount  # of no money we know: kept, not counted as dollars
            return
        item["amount"] = told.amount
        item["currency"] = told.currency or "USD"
        if item["currency"] != "USD":
            meta["amount"] = told.amount
