"""`POST /e/{tracking_id}`: what a page tells by `sendBeacon`, and what it may not say."""

from base.errors import Refused
from ingest import answers
from ingest.http import Request
from ingest.limits import BURST_SECONDS
from ingest.links import Link
from ingest.responses import response
from ingest.rooms import Rooms
from ingest.shape import add_told
from ingest.told import told_by
from rules.query import parse
from schemas.items import Door

MOST_BYTES = 64 * 1024


def take(rooms: Rooms, request: Request, tracking_id: str, query: bytes) -> bytes | None:
    """The answer to a beacon; None when it comes later."""
    headers = answers.cors(request)
    if len(request.body) > MOST_BYTES:
        return answers.error(413, f"The body is larger than {MOST_BYTES} bytes.", headers)
    if b"content-encoding" in request.headers:
        return answers.error(415, "Send the body without Content-Encoding.", headers)
    if request.headers.get(b"content-type", b"")[:10].lower() == b"multipart/":
        return answers.error(415, "Send JSON, or a form as URLSearchParams.", headers)
    try:
        told = told_by(request, parse(query))
    except Refused as refusal:
        rooms.counts["beacon_refused"] += 1
        return answers.error(400, str(refusal), headers)

    def record(link: Link | None) -> bytes | None:
        if link is None or not link.record:
            rooms.counts["beacon_unknown"] += 1
            return answers.error(404, "There is no such tracking id.", headers)
        item = rooms.shaper.visit(request, link, Door.BEACON, told.event, {})
        if (stream := rooms.stream(request, item)) is None:
            sentence = "Too many events at once: send it again later."
            return answers.too_many(sentence, BURST_SECONDS, headers)
        add_told(item, told)
        rooms.counts[told.event] += 1
        click_id = item.get("click") or item["id"]  # as the row's metadata has it
        ack = b"X-Click-Id: " + click_id.encode() + b"\r\n"
        lost = answers.error(503, "Not recorded: send it again.", headers)
        durable = response(204, ack + headers)
        rooms.recorder.record(stream, item, (request, durable, lost))
        return None

    return rooms.look_up(
        request, tracking_id, record,
        lambda: answers.error(503, "Not recorded: send it again.", headers),
    )  # fmt: skip
