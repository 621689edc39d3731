"""`POST /webhooks/stripe`: Stripe's messages, verified over the bytes as they came."""

from base.ids import uuid7_hex
from ingest import answers
from ingest.http import Request
from ingest.responses import response
from ingest.rooms import Rooms
from journal.streams import Kind
from rules.stripe_signature import fault
from schemas import stripe
from schemas.items import Door, Item

_FAULTS = {
    "missing": "There is no Stripe-Signature.",
    "malformed": "Stripe-Signature is none that Stripe sends.",
    "wrong": "No secret of HOPFLEET_STRIPE_WEBHOOK_SECRETS has signed this body.",
    "old": "It was signed more than five minutes ago, or ahead: look at the clocks.",
}


def take(rooms: Rooms, request: Request) -> bytes | None:
    """The answer to a message; None when it comes once the message is durable."""
    secrets = rooms.settings.stripe_secrets
    if not secrets:
        return answers.not_found()
    header = request.headers.get(b"stripe-signature", b"")
    wrong = fault(header, request.body, secrets, rooms.clock.ms() / 1000)
    if wrong is not None:
        return _refused(rooms, f"signature_{wrong}", _FAULTS[wrong])
    try:
        event = stripe.read(request.body)
        body = request.body.decode()
    except ValueError:
        return _refused(rooms, "unreadable", "This is no event of Stripe's.")
    if rooms.settings.stripe_live not in (None, event.livemode):
        kind = "live" if event.livemode else "test"
        sentence = f"This is a {kind} event, and HOPFLEET_STRIPE_LIVEMODE says otherwise."
        return _refused(rooms, "livemode", sentence)
    if event.account is not None:
        return _refused(rooms, "account", "Events of connected accounts are not taken here.")
    if not event.wanted:
        rooms.counts["stripe_ignored"] += 1
        return response(200)
    rooms.counts["stripe"] += 1
    item: Item = {
        "id": uuid7_hex(rooms.clock.ms()), "type": "stripe", "user": "", "door": Door.STRIPE,
        "event_id": event.id, "body": body, "meta": {},
    }  # fmt: skip
    lost = answers.try_again("Unknown whether it was kept: send it again.")
    waiter = (request, response(200), lost)
    rooms.recorder.record_all({Kind.WEBHOOKS: [item]}, 1, waiter)
    return None


def _refused(rooms: Rooms, reason: str, sentence: str) -> bytes:
    rooms.counts[f"stripe_{reason}"] += 1
    return answers.error(400, sentence)
