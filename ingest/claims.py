"""`GET,POST /b/claim/{tracking_id}`: a buyer says where his bonus is to go.

Whatever he says, the answer is the same: it is kept, and a worker holds it against the sales.
"""

from base.errors import Refused, StoreAway
from base.ids import uuid7_hex
from db import bonus_files
from ingest import answers, bonus_pages
from ingest.http import Request
from ingest.links import Link
from ingest.rooms import Rooms
from ingest.shape import sealed
from journal.streams import Kind
from rules import bonus_links
from rules.bonus_links import BonusLink
from rules.emails import address
from rules.query import parse
from rules.times import iso_ms
from schemas.claims import ClaimIn, read, shape
from schemas.items import Door, Item

MOST_BYTES = 16 * 1024
_FORM = b"application/x-www-form-urlencoded"
# What sellers' order pages call them, ClickBank's first.
_RECEIPTS = ("receipt", "cbreceipt", "order_id")
_EMAILS = ("email", "cemail")


def show(rooms: Rooms, request: Request, tracking_id: str, query: bytes) -> bytes | None:
    """The form, as a page."""

    def found(link: Link | None) -> bytes:
        if link is None:
            return bonus_pages.unknown()
        asked = parse(query) if query else {}
        receipt = next((asked[name] for name in _RECEIPTS if asked.get(name)), "")
        return bonus_pages.form(receipt, next((asked[n] for n in _EMAILS if asked.get(n)), ""))

    return rooms.look_up(request, tracking_id, found, bonus_pages.away)


def take(rooms: Rooms, request: Request, tracking_id: str, query: bytes) -> bytes | None:
    """The answer to a claim, by our form or the seller's own; None when it comes later."""
    headers = answers.cors(request)
    if len(request.body) > MOST_BYTES:
        return answers.error(413, f"The body is larger than {MOST_BYTES} bytes.", headers)
    if b"content-encoding" in request.headers:
        return answers.error(415, "Send the body without Content-Encoding.", headers)
    if request.headers.get(b"content-type", b"")[:10].lower() == b"multipart/":
        return answers.error(415, "Send JSON, or a form as URLSearchParams.", headers)

    def found(link: Link | None) -> bytes | None:
        if link is None:
            return _refused(request, 404, "There is no such tracking id.")
        try:
            told = _told(request)
        except Refused as refusal:
            rooms.counts["claim_refused"] += 1
            return _refused(request, 400, str(refusal))
        rooms.later(request, _keep(rooms, request, link, told))
        return None

    away = _refused(request, 503, "This does not work right now: send it again.")
    return rooms.look_up(request, tracking_id, found, lambda: away)


def _told(request: Request) -> ClaimIn:
    """Only what starts as JSON is JSON when it calls itself a form."""
    body = request.body
    is_form = request.headers.get(b"content-type", b"").lower().startswith(_FORM)
    says_form = is_form and body.lstrip()[:1] not in (b"{", b"[")
    told = shape(parse(body)) if says_form else read(body)
    return told._replace(email=address(told.email))


async def _keep(rooms: Rooms, request: Request, link: Link, told: ClaimIn) -> None:
    network = rooms.shaper.network(request)
    item = _item(rooms, link, told, rooms.limits.shared(network))
    answer = _answer(request, await _download(rooms, link, item["id"]))
    if rooms.limits.claim(network, f"{link.user_id}:{told.receipt.upper()}"):
        rooms.counts["claim"] += 1
        lost = _refused(request, 503, "Not recorded: send it again.")
        rooms.recorder.record(Kind.WEBHOOKS, item, (request, answer, lost))
    else:
        # Nobody learns where the limit is, or whether a receipt was worth it.
        rooms.recorder.drop(Door.CLAIM, 1, "rate_limited_claim")
        request.answer(answer)


def _item(rooms: Rooms, link: Link, told: ClaimIn, network: str) -> Item:
    ms = rooms.clock.ms()
    return {
        "id": uuid7_hex(ms),
        "type": "claim",
        "user": link.user_id,
        "campaign": link.campaign_id,
        "door": Door.CLAIM,
        "receipt": told.receipt,
        "buyer": sealed(told.email, rooms.settings),
        "meta": {"received_at": iso_ms(ms), "ip": network},
    }


async def _download(rooms: Rooms, link: Link, item_id: str) -> str | None:
    """A link to what the claim will turn out to be worth; None without downloads."""
    try:
        has = await rooms.asking.ask(lambda tx: bonus_files.has_downloads(tx, link.campaign_id))
    except StoreAway:
        has = True
    if not has:
        return None
    expires_at = int(rooms.clock.ms() / 1000 + rooms.settings.bonus_link_hours * 3600)
    told = BonusLink("claim", int(item_id, 16), expires_at)
    return f"{rooms.settings.url}/b/{bonus_links.make(rooms.settings.secret, told)}"


def _wants_json(request: Request) -> bool:
    asked = request.headers.get(b"accept", b"") + request.headers.get(b"content-type", b"")
    return b"json" in asked.lower()


def _answer(request: Request, download: str | None) -> bytes:
    headers = answers.cors(request)
    if not _wants_json(request):
        return bonus_pages.received(download, _without_cache(headers))
    said = {"status": "received", "message": bonus_pages.RECEIVED, "download_url": download}
    return answers.json(200, said, headers)


def _refused(request: Request, status: int, sentence: str) -> bytes:
    headers = answers.cors(request)
    if _wants_json(request):
        return answers.error(status, sentence, headers)
    return bonus_pages.said(status, "Please look again", sentence, _without_cache(headers))


def _without_cache(headers: bytes) -> bytes:
    """Pages have that line already."""
    return headers.replace(b"Cache-Control: no-store\r\n", b"")
