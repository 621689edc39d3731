"""`POST /hooks/{key}`: somebody fires a workflow.

The key is signed, so that no table is asked: whether its workflow is still there, and listens,
is for the worker to see.
"""

from base.errors import Refused
from base.ids import uuid7_hex
from ingest import answers
from ingest.http import Request
from ingest.rooms import Rooms
from journal.streams import Kind
from rules.hooks import Hook, read
from schemas import hooks
from schemas.items import Door, Item

_MOST_DEPTH = 1_000  # far beyond what any loop is let to reach


def take(rooms: Rooms, request: Request, key: str, query: bytes) -> bytes | None:
    """The answer to a post; None when it comes once it is durable."""
    secrets = (rooms.settings.secret, *rooms.settings.secrets_before)
    hook = read(secrets, key)
    if hook is None:
        rooms.counts["hook_unknown"] += 1
        return answers.error(404, "There is no such hook, or its address was changed.")
    if len(request.body) > hooks.MOST_BYTES:
        return answers.error(413, f"The body is larger than {hooks.MOST_BYTES} bytes.")
    if b"content-encoding" in request.headers:
        return answers.error(415, "Send the body without Content-Encoding.")
    meter = f"hook:{hook.workflow_id.hex}"
    if wait := rooms.limits.wait_seconds(meter, meter):
        rooms.counts["rate_limited_key"] += 1
        return answers.too_many("Too many posts at once: send it again later.", wait)
    rooms.limits.posted(meter, meter, 1)
    try:
        item = _item(rooms, request, hook)
    except Refused as refusal:
        rooms.counts["hook_refused"] += 1
        return answers.error(400, str(refusal))
    rooms.counts["hook"] += 1
    lost = answers.try_again("Unknown whether it was kept: send it again.")
    kept = answers.json(202, {"id": item["id"]})
    rooms.recorder.record_all({Kind.WEBHOOKS: [item]}, 1, (request, kept, lost))
    return None


def _item(rooms: Rooms, request: Request, hook: Hook) -> Item:
    """What is kept; raises `Refused`."""
    headers = request.headers
    value = hooks.read(request.body, headers.get(b"content-type", b"").decode("latin-1"))
    told = hooks.event_id(value, headers.get(b"idempotency-key", b"").decode("latin-1"))
    item: Item = {
        "id": uuid7_hex(rooms.clock.ms()),
        "type": "hook",
        "user": "",
        "door": Door.HOOKS,
        "meta": {
            "workflow": hook.workflow_id.hex,
            "number": hook.number,
            "depth": _depth(headers.get(b"hopfleet-depth", b"")),
            "body": value,
        },
    }
    if told is not None:
        item["event_id"] = told
    return item


def _depth(told: bytes) -> int:
    """How deep in a chain of workflows the sender says it is: one of our own runs says so."""
    return min(int(told), _MOST_DEPTH) if told.isdigit() and len(told) <= 9 else 0
