"""`/b/…`: `GET /b/{token}` is the signed link of a bonus, to its file; the rest is claims'."""

from base.errors import HopfleetError, Refused, StoreAway
from base.ids import uuid7_hex
from base.logs import log
from base.settings import Settings
from db import bonus_files
from db.bonus_files import BonusFile
from ingest import answers, bonus_pages, claims
from ingest.http import Request
from ingest.rooms import Rooms
from integrations import buckets
from journal.streams import Kind
from rules import bonus_links
from rules.bonus_links import BonusLink
from rules.destination import compile_link
from rules.times import iso_ms
from schemas.items import Door, Item

# How long the bucket's own address works; who comes later follows our link once more.
PRESIGNED_SECONDS = 3600
# What is in the bucket beside bonuses, and no user's bonus may point at.
_OURS = frozenset({"backup", "backups", "archive", "archives", "wal", "manifests"})
_HEADERS = b"Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Robots-Tag: noindex\r\n"


def enter(rooms: Rooms, request: Request, rest: str, query: bytes) -> bytes | None:
    """Whichever of the two it is."""
    name, _, tracking_id = rest.partition("/")
    if name == "claim" and tracking_id:
        if request.method == b"OPTIONS":
            return answers.preflight(request)
        asks = request.method == b"POST"
        return (claims.take if asks else claims.show)(rooms, request, tracking_id, query)
    if request.method in (b"GET", b"HEAD"):
        return take(rooms, request, rest, query)
    return answers.error(405, "This door takes GET, HEAD.", b"Allow: GET, HEAD\r\n")


def take(rooms: Rooms, request: Request, token: str, query: bytes) -> bytes | None:
    """The answer to a link; None when it comes later."""
    secrets = (rooms.settings.secret, *rooms.settings.secrets_before)
    link = bonus_links.read(secrets, token)
    if link is None:
        rooms.counts["bonus_unknown"] += 1
        return bonus_pages.unknown()
    if link.expires_at * 1000 < rooms.clock.ms():
        rooms.counts["bonus_expired"] += 1
        return bonus_pages.expired()
    rooms.later(request, _follow(rooms, request, link))
    return None


async def _follow(rooms: Rooms, request: Request, link: BonusLink) -> bytes | None:
    try:
        if link.kind == "delivery":
            files = await rooms.asking.ask(lambda tx: bonus_files.of_delivery(tx, link.ident))
        else:
            files = await rooms.asking.ask(
                lambda tx: bonus_files.of_claim(tx, f"{link.ident:032x}")
            )
    except StoreAway:
        return bonus_pages.away()
    if not files:
        return bonus_pages.unknown() if link.kind == "delivery" else bonus_pages.not_yet()
    there = [one for one in files if not one.revoked]
    if not there:
        return bonus_pages.revoked()
    if len(there) > 1:
        return bonus_pages.downloads(
            (one.name or "Bonus", _link_to(rooms, one, link.expires_at)) for one in there
        )
    return _send(rooms, request, there[0])


def _link_to(rooms: Rooms, one: BonusFile, expires_at: int) -> str:
    told = BonusLink("delivery", one.delivery_id, expires_at)
    return f"{rooms.settings.url}/b/{bonus_links.make(rooms.settings.secret, told)}"


def _send(rooms: Rooms, request: Request, one: BonusFile) -> bytes | None:
    try:
        where = location(one.file_url or "", rooms.settings)
    except HopfleetError as error:
        rooms.counts["bonus_no_file"] += 1
        log().warning("bonus.no_file", delivery=one.delivery_id, reason=str(error))
        return bonus_pages.missing()
    answer = answers.redirect(where, _HEADERS, None)
    if request.method == b"HEAD":
        return answer
    rooms.counts["bonus_download"] += 1
    ms = rooms.clock.ms()
    item: Item = {
        "id": uuid7_hex(ms),
        "type": "download",
        "user": str(one.user_id),
        "campaign": str(one.campaign_id),
        "door": Door.BONUS,
        "meta": {"delivery": one.delivery_id, "received_at": iso_ms(ms)},
    }
    # The buyer has paid for the file, not for our count of it.
    rooms.recorder.record(Kind.WEBHOOKS, item, (request, answer, answer))
    return None


def location(file_url: str, chosen: Settings) -> bytes:
    """Where a file is, as a Location header has it; raises `Refused` and `Misused`."""
    if not file_url.startswith("s3://"):
        template = compile_link(file_url)
        if template is None:
            raise Refused("The bonus's file has no address that visitors may be sent to.")
        return template.location("", "", "", None, {}, False)
    place = buckets.place_of(file_url)
    if chosen.s3 is None:
        raise Refused("HOPFLEET_S3_URL is not set, so no file in S3 can be given away.")
    # Whoever may set a bonus's file must not reach what else our keys open.
    if place.bucket != buckets.bucket_of(chosen.s3):
        raise Refused(f"The bucket {place.bucket} is not the one of HOPFLEET_S3_URL.")
    if place.key.partition("/")[0].lower() in _OURS:
        raise Refused("Backups and archives are no bonuses.")
    return buckets.presigned(chosen.s3, place.key, PRESIGNED_SECONDS).encode("ascii")
