"""The doors: what visitors, pages and servers reach; each verifies, shapes, keeps, answers."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from base.errors import Refused, StoreAway
from base.ids import is_click_id
from base.logs import configure, log
from base.settings import settings
from db import connection
from ingest import (
    answers,
    beacons,
    bonuses,
    clickbank,
    hooks,
    openapi,
    postbacks,
    process,
    script,
    stripe,
)
from ingest.asking import Asking
from ingest.http import Request
from ingest.limits import BEYOND_SHARE, BURST, DROP, DROP_NETWORK, Limits
from ingest.links import Link
from ingest.posted import Desk
from ingest.process import Standing
from ingest.readiness import readiness
from ingest.shape import Shaper, add_told, kind_of
from ingest.targets import origin_form, segment
from journal.streams import BULK, Kind
from rules.destination import compile_link
from rules.query import parse
from schemas import beacon
from schemas.items import Door as Entry
from schemas.items import Item

MOST_ID_CHARACTERS = 50  # campaigns.tracking_id holds no more

Door = Callable[["Doors", Request, str, bytes], bytes | None]


class Doors:
    """One process's doors and what they stand on; `handle` is given to the HTTP server."""

    def __init__(self, base: Standing) -> None:
        self.settings = base.settings
        self.clock = base.clock
        self.recorder = base.recorder
        self.links = base.links
        self.integrations = base.integrations
        self.keeper = base.keeper
        self.shaper = Shaper(base.settings, base.clock)
        self.counts = base.counts
        self.asking = Asking()
        self.limits = Limits(base.settings, asyncio.get_running_loop().time)
        self._desk = Desk(
            base.keys, base.links, self.shaper, base.recorder, self.counts, base.keeper,
            self.limits,
        )  # fmt: skip
        self._fallback = compile_link(base.settings.fallback_url or "")
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, request: Request) -> bytes | None:
        """Find the door; None when it answers later."""
        target = request.target
        if not target.startswith(b"/"):
            target = origin_form(target)
        path, _, query = target.partition(b"?")
        name, _, rest = path[1:].partition(b"/")
        door = _DOORS.get((name, request.method))
        if door is not None and rest:
            request.door = name
            return door(self, request, segment(rest), query)
        if (page := _PAGES.get((path, request.method))) is not None:
            request.door = path[1:]
            return page(self, request, "", query)
        allowed = [m for n, m in _DOORS if n == name and rest] + [m for p, m in _PAGES if p == path]
        if allowed:
            return answers.error(
                405, "This door takes " + b", ".join(allowed).decode() + ".",
                b"Allow: " + b", ".join(allowed) + b"\r\n",
            )  # fmt: skip
        return answers.not_found()

    # --- /r

    def redirect(self, request: Request, tracking_id: str, query: bytes) -> bytes | None:
        """`/r/{tracking_id}`: record a click, send the visitor on."""
        link = self.links.entries.get(tracking_id)
        if link is not None:
            self.links.hits += 1
            return self._follow(request, link, query)
        return self.look_up(
            request, tracking_id, lambda found: self._redirect_to(request, found, query),
            lambda: answers.unavailable("This link cannot be looked up right now: try again."),
        )  # fmt: skip

    def _redirect_to(self, request: Request, link: Link | None, query: bytes) -> bytes | None:
        if link is not None:
            return self._follow(request, link, query)
        self.counts["unknown_link"] += 1
        if self._fallback is None:
            return answers.not_found()
        where = self._fallback.location("", "", "", None, parse(query), False)
        return answers.redirect(where, b"Cache-Control: no-store\r\n", None)

    def _follow(self, request: Request, link: Link, query: bytes) -> bytes | None:
        if link.template is None:
            self.counts[f"no_destination_{link.reason}"] += 1
            return answers.not_found()
        asked = parse(query) if query else {}
        if not link.record or request.method == b"HEAD":
            self.counts["head" if link.record else f"unrecorded_{link.reason}"] += 1
            return _unrecorded(link, asked)
        item = self.shaper.visit(request, link, Entry.REDIRECT, "click", asked)
        if (view := asked.get("click_id")) is not None and is_click_id(view):
            item["meta"]["view_id"] = view  # of the page on which our script marked the link
        if (stream := self.stream(request, item)) is None:
            return _unrecorded(link, asked)
        where = link.template.location(
            item["id"], link.tracking_id, link.campaign_id, item.get("source"), asked,
            link.pass_through,
        )  # fmt: skip
        self.counts["click"] += 1
        self.recorder.record(
            stream, item, (request, answers.redirect(where, link.headers, item["id"]), None)
        )
        return None

    # --- /p

    def pixel(self, request: Request, name: str, query: bytes) -> bytes | None:
        """`/p/{tracking_id}.gif`: record a view, a click or a conversion; always the GIF."""
        tracking_id = name.removesuffix(".gif")
        link = self.links.entries.get(tracking_id)
        if link is not None:
            self.links.hits += 1
            return self._pixel_of(request, link, query)
        return self.look_up(
            request, tracking_id, lambda found: self._pixel_of(request, found, query),
            lambda: answers.gif(None),
        )  # fmt: skip

    def _pixel_of(self, request: Request, link: Link | None, query: bytes) -> bytes | None:
        asked = parse(query) if query else {}
        try:
            told = beacon.shape(asked) if "event" in asked else None
        except Refused:
            link = None
        if link is None or not link.record or request.method == b"HEAD":
            self.counts["pixel_unrecorded"] += 1
            return answers.gif(None)
        event = told.event if told else "view"
        item = self.shaper.visit(request, link, Entry.PIXEL, event, asked)
        if (stream := self.stream(request, item)) is None:
            return answers.gif(None)
        if told is not None:
            add_told(item, told)
        self.counts[event] += 1
        durable = answers.gif(item.get("click") or item["id"])
        self.recorder.record(stream, item, (request, durable, None))
        return None

    # --- /t

    def script(self, request: Request, name: str, query: bytes) -> bytes | None:
        """`/t/{tracking_id}.js`: record a view, mark the page's links with its id."""
        if not name.endswith(".js"):
            return answers.not_found()
        return self.look_up(
            request, name.removesuffix(".js"), lambda found: self._script_of(request, found, query),
            script.empty,
        )  # fmt: skip

    def _script_of(self, request: Request, link: Link | None, query: bytes) -> bytes | None:
        known = link if link is not None and link.record and link.campaign_status is None else None
        if known is None or request.method == b"HEAD":
            self.counts["script_unrecorded"] += 1
            return script.empty()
        item = self.shaper.visit(request, known, Entry.SCRIPT, "view", parse(query))
        if (stream := self.stream(request, item)) is None:
            return script.empty()
        self.counts["view"] += 1
        whole = script.marking(item["id"], self.settings.url)
        self.recorder.record(stream, item, (request, whole, None))
        return None

    # --- /e

    def beacon(self, request: Request, tracking_id: str, query: bytes) -> bytes | None:
        """`POST /e/{tracking_id}`: what a page tells by `sendBeacon`."""
        return beacons.take(self, request, tracking_id, query)

    def beacon_preflight(self, request: Request, tracking_id: str, query: bytes) -> bytes | None:
        """`OPTIONS /e/{tracking_id}`."""
        return answers.preflight(request)

    # --- what networks report

    def postback(self, request: Request, key: str, query: bytes) -> bytes | None:
        """`GET,POST /postback/{key}`: another network reports a payment."""
        return postbacks.take(self, request, key, query)

    # --- /v1/events

    def events(self, request: Request, _: str, query: bytes) -> bytes | None:
        """`POST /v1/events`: a developer's server reports events, each gets a verdict."""
        self.later(request, self._desk.take(request))
        return None

    def webhook(self, request: Request, name: str, query: bytes) -> bytes | None:
        """`POST /webhooks/clickbank/{key}`, `/webhooks/stripe`: what others tell of payments."""
        if name == "stripe":
            return stripe.take(self, request)
        sender, _, key = name.partition("/")
        return clickbank.take(self, request, key) if sender == "clickbank" else answers.not_found()

    # --- about ourselves

    def healthz(self, request: Request, _: str, query: bytes) -> bytes | None:
        """The process answers: point load balancers here, redirects need no store."""
        return answers.json(200, {"status": "ok"})

    def readyz(self, request: Request, _: str, query: bytes) -> bytes | None:
        """Which store is missing, and what that means right now; 503 when one is."""
        said = readiness(self.recorder, self.keeper, self.clock)
        return answers.json(503 if said["missing"] else 200, said)

    def openapi(self, request: Request, _: str, query: bytes) -> bytes | None:
        """The doors, described for machines."""
        return answers.json(200, openapi.document(self.settings.url))

    def stream(self, request: Request, item: Item) -> Kind | None:
        """Where a visit is kept; None when it is beyond a limit. Marks what is part of a burst."""
        meta, kind = item["meta"], kind_of(item["type"])
        verdict = self.limits.visit(meta.get("ip") or self.shaper.network(request), item["user"])
        if not verdict:
            return kind
        if verdict & DROP:
            of_network = verdict & DROP_NETWORK
            reason = "rate_limited_prefix" if of_network else "rate_limited_tenant"
            self.recorder.drop(item["door"], 1, reason)
            return None
        if verdict & BURST and item["type"] != "conversion":
            meta.setdefault("bot", "burst")
        return BULK[kind] if verdict & BEYOND_SHARE else kind

    # --- later

    def look_up(
        self,
        request: Request,
        tracking_id: str,
        go_on: Callable[[Link | None], bytes | None],
        unknown: Callable[[], bytes],
    ) -> bytes | None:
        """Go on with a link, now or once it was looked up; `unknown` when it cannot be."""
        if tracking_id in self.links.entries:
            self.links.hits += 1
            return go_on(self.links.entries[tracking_id])
        if tracking_id in self.links.absent or not _may_exist(tracking_id):
            return go_on(None)
        if self.links.is_made_up(tracking_id):
            return go_on(None)

        async def fetched() -> bytes | None:
            try:
                found = await self.links.fetch([tracking_id])
            except StoreAway:
                self.counts["lookup_away"] += 1
                return unknown()
            return go_on(found[tracking_id])

        self.later(request, fetched())
        return None

    def later(self, request: Request, coroutine: Coroutine[Any, Any, bytes | None]) -> None:
        """Answer with what the coroutine returns, if anything, once it is done."""

        async def answer() -> None:
            try:
                whole = await coroutine
            except Exception:
                log().exception("door.failed")
                whole = answers.error(500, "Something broke on our side; it has been logged.")
            if whole is not None:
                request.answer(whole)

        task = asyncio.get_running_loop().create_task(answer())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_DOORS: dict[tuple[bytes, bytes], Door] = {
    (b"r", b"GET"): Doors.redirect,
    (b"r", b"HEAD"): Doors.redirect,
    (b"p", b"GET"): Doors.pixel,
    (b"p", b"HEAD"): Doors.pixel,
    (b"t", b"GET"): Doors.script,
    (b"t", b"HEAD"): Doors.script,
    (b"e", b"POST"): Doors.beacon,
    (b"e", b"OPTIONS"): Doors.beacon_preflight,
    **{(b"b", method): bonuses.enter for method in (b"GET", b"HEAD", b"POST", b"OPTIONS")},
    (b"postback", b"GET"): Doors.postback,
    (b"postback", b"POST"): Doors.postback,
    (b"webhooks", b"POST"): Doors.webhook,
    (b"hooks", b"POST"): hooks.take,
}
_PAGES: dict[tuple[bytes, bytes], Door] = {
    (b"/v1/events", b"POST"): Doors.events,
    (b"/healthz", b"GET"): Doors.healthz,
    (b"/healthz", b"HEAD"): Doors.healthz,
    (b"/readyz", b"GET"): Doors.readyz,
    (b"/openapi.json", b"GET"): Doors.openapi,
}


def _unrecorded(link: Link, asked: dict[str, str]) -> bytes:
    """The redirect of a visit that is not kept: no click id anywhere."""
    assert link.template is not None
    where = link.template.location(
        "", link.tracking_id, link.campaign_id, None, asked, link.pass_through
    )
    return answers.redirect(where, link.headers, None)


def _may_exist(tracking_id: str) -> bool:
    """Whether PostgreSQL can hold such an id at all; it refuses to be asked about NUL."""
    return 0 < len(tracking_id) <= MOST_ID_CHARACTERS and "\0" not in tracking_id


def main(host: str | None = None, port: int | None = None) -> None:
    """Run one ingest process; several may share a port."""
    chosen = settings()
    configure(chosen.log_level, "ingest")
    connection.serve("ingest")
    uvloop.run(
        process.run(
            chosen, host or chosen.host, chosen.port if port is None else port,
            lambda base: Doors(base).handle,
        )
    )  # fmt: skip
