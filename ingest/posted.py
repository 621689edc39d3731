"""`POST /v1/events`: whose key it is, which items are good, and a verdict for each."""

import hashlib
from collections import Counter
from typing import Any

from base.errors import Refused, StoreAway
from db.keys import well_formed
from ingest import answers
from ingest.http import Request
from ingest.keeper import Keeper
from ingest.known import Known
from ingest.limits import Limits
from ingest.links import Key, Link
from ingest.recorder import Recorder
from ingest.shape import Shaper, kind_of
from journal.streams import BULK, Kind
from rules.tracking import may_post_events
from schemas import events
from schemas.events import EventIn
from schemas.items import Item

SCOPE = "events:write"
_BEARER = b"bearer "


class Desk:
    """Takes what servers post; holds the caches it looks into and the counts it keeps."""

    def __init__(
        self,
        keys: Known[Key],
        links: Known[Link],
        shaper: Shaper,
        recorder: Recorder,
        counts: Counter[str],
        keeper: Keeper,
        limits: Limits,
    ) -> None:
        self._keys = keys
        self._links = links
        self._shaper = shaper
        self._recorder = recorder
        self._counts = counts
        self._keeper = keeper
        self._limits = limits

    async def take(self, request: Request) -> bytes | None:
        """The answer to a post; None when it comes once the items are on disk."""
        if b"content-encoding" in request.headers:
            return answers.error(415, "Send the body without Content-Encoding.")
        try:
            key = await self._key(request)
        except StoreAway:
            return answers.try_again("Your API key cannot be checked right now: send it again.")
        if key is None:
            self._counts["key_refused"] += 1
            return answers.error(
                401,
                "Send a valid API key: Authorization: Bearer hf_…",
                b"WWW-Authenticate: Bearer\r\n",
            )
        if SCOPE not in key.scopes:
            return answers.error(403, f"This API key has no scope {SCOPE}.")
        if not may_post_events(key.user_status):
            return answers.error(403, f"This account is {key.user_status}.")
        if wait := self._limits.wait_seconds(key.digest, key.user_id):
            self._counts["rate_limited_key"] += 1
            return answers.too_many("You send too many events: wait, then send it again.", wait)
        return await self._read(request, key)

    async def _key(self, request: Request) -> Key | None:
        given = request.headers.get(b"x-api-key")
        authorization = request.headers.get(b"authorization", b"")
        if given is None and authorization[:7].lower() == _BEARER:
            given = authorization[7:].strip()
        if not given or not well_formed(given.decode("latin-1")):
            return None  # a made-up key costs arithmetic, not a look into the database
        digest = hashlib.sha256(given).hexdigest()
        key = (await self._keys.fetch([digest]))[digest]
        if key is not None:
            self._keeper.used.add(digest)
        return key

    async def _read(self, request: Request, key: Key) -> bytes | None:
        kind = request.headers.get(b"content-type", b"").decode("latin-1")
        try:
            read = events.read(request.body, kind)
            links = await self._links.fetch(
                {one.tracking_id for one in read if isinstance(one, EventIn) and one.tracking_id}
            )
        except Refused as refusal:
            self._limits.posted(key.digest, key.user_id, 1)
            self._counts["events_refused"] += 1
            return answers.error(400, str(refusal))
        except StoreAway:
            return answers.try_again("Your campaigns cannot be looked up: send it again.")
        return self._keep(request, key, read, links)

    def _keep(
        self, request: Request, key: Key, read: list[Any], links: dict[str, Link | None]
    ) -> bytes | None:
        beyond_share = self._limits.posted(key.digest, key.user_id, len(read))
        kept: dict[Kind, list[Item]] = {}
        verdicts: list[dict[str, Any]] = []
        for index, event in enumerate(read):
            link = links.get(event.tracking_id or "") if isinstance(event, EventIn) else None
            reason = _why_not(event, link, key)
            if reason is not None:
                verdicts.append({"index": index, "status": "refused", "reason": reason})
                continue
            item = self._shaper.posted(event, key.user_id, link)
            kind = kind_of(event.type)
            kept.setdefault(BULK[kind] if beyond_share else kind, []).append(item)
            click_id = item.get("click") or item["id"]
            verdicts.append({"index": index, "status": "accepted", "click_id": click_id})
        count = sum(len(items) for items in kept.values())
        self._counts["events_accepted"] += count
        self._counts["events_refused"] += len(read) - count
        if not count:
            return answers.json(400, {"results": verdicts})
        lost = answers.try_again("Not recorded: send it again, each item with its event_id.")
        self._recorder.record_all(
            kept, count, (request, answers.json(202, {"results": verdicts}), lost)
        )
        return None


def _why_not(event: Any, link: Link | None, key: Key) -> str | None:
    """Why an item is refused, as a sentence for its sender; None when it is good."""
    if not isinstance(event, EventIn):
        return str(event.reason)
    if event.tracking_id and (link is None or link.user_id != key.user_id or not link.record):
        # Another tenant's campaign is answered like one that never was.
        return "tracking_id: you have no live campaign with this tracking id."
    return None
