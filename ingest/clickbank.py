"""`POST /webhooks/clickbank/{key}`: ClickBank's notifications, kept as they came.

Nothing is decrypted here, so no answer and no delay tells whether a text could be: a stranger who
sends changed ones would learn them letter by letter. The shape is looked at before the key, and
all that is not kept gets one answer.
"""

from base.errors import StoreAway
from base.ids import uuid7_hex
from db.integrations import digest_of, well_formed
from ingest import answers
from ingest.http import Request
from ingest.responses import response
from ingest.rooms import Rooms
from journal.streams import Kind
from rules.ins_cipher import Form, Sealed, wire
from schemas import integrations
from schemas.items import Door, Item

NETWORK = "clickbank"


def take(rooms: Rooms, request: Request, key: str) -> bytes | None:
    """The answer to a notification; None when it comes once it is durable."""
    request.door = b"webhooks/clickbank"
    # Inflating could make a small body a large one; nobody who sends us money compresses.
    told = None if b"content-encoding" in request.headers else wire(request.body)
    if told is None or not well_formed(key):
        return _nothing(rooms)
    rooms.later(request, _keep(rooms, request, key, told))
    return None


def _nothing(rooms: Rooms) -> bytes:
    rooms.counts["clickbank_refused"] += 1
    return answers.not_found()


async def _keep(rooms: Rooms, request: Request, key: str, told: Sealed | Form) -> bytes | None:
    digest = digest_of(key).hex()
    lost = answers.try_again("Unknown whether it was kept: send it again.")
    try:
        one = (await rooms.integrations.fetch([digest]))[digest]
    except StoreAway:
        return lost
    if one is None or one.network != NETWORK:
        return _nothing(rooms)
    if not isinstance(told, Sealed) and not integrations.read(one.settings).legacy:
        return _nothing(rooms)
    if wait := rooms.limits.wait_seconds(digest, one.user_id):
        rooms.counts["rate_limited_key"] += 1
        return answers.too_many("Too many notifications at once: send it again later.", wait)
    rooms.limits.posted(digest, one.user_id, 1)
    rooms.counts["clickbank"] += 1
    item: Item = {
        "id": uuid7_hex(rooms.clock.ms()),
        "type": "ins",
        "user": one.user_id,
        "door": Door.CLICKBANK,
        "integration": one.id,
        # Each byte one character: what came is what is kept, whatever its encoding.
        "body": request.body.decode("latin-1"),
        "meta": {},
    }
    waiter = (request, response(204), lost)
    rooms.recorder.record_all({Kind.WEBHOOKS: [item]}, 1, waiter)
    return None
