"""What is posted to a hook: JSON, a form, or nothing; anything that can be kept unchanged."""

from typing import Any
from urllib.parse import parse_qsl

from base.errors import Refused
from schemas import bodies, metadata

MOST_BYTES = 64 * 1024
MOST_EVENT_ID_CHARACTERS = 255
_MOST_FIELDS = 200
_FORM = "application/x-www-form-urlencoded"


def read(body: bytes, content_type: str) -> Any:
    """The value that was posted, None for nothing; raises `Refused`.

    What begins as JSON is JSON, whatever it calls itself.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("multipart/"):
        raise Refused("Send JSON, or a form as application/x-www-form-urlencoded.")
    if not body.strip():
        return None
    is_form = kind == _FORM and body.lstrip()[:1] not in (b"{", b"[")
    found = _form(body) if is_form else bodies.value(body)
    if (why := metadata.fault(found)) is not None:
        raise Refused(f"Something in the body {why}.")
    return found


def _form(body: bytes) -> dict[str, str]:
    """Of a name that comes twice the first."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:  # no UTF-8, too
        raise Refused(f"The form is not UTF-8, or has more than {_MOST_FIELDS} fields.") from None
    return dict(reversed(pairs))


def event_id(value: Any, header: str | None) -> str | None:
    """The sender's own id: `Idempotency-Key`, or `event_id` of the body; raises `Refused`."""
    told = header or (value.get("event_id") if isinstance(value, dict) else None)
    if told is None or told == "":
        return None
    if isinstance(told, bool) or not isinstance(told, str | int):
        raise Refused("The event_id must be text.")
    text = str(told)
    if len(text) > MOST_EVENT_ID_CHARACTERS or not text.isprintable():
        raise Refused(f"The event_id must be printable, {MOST_EVENT_ID_CHARACTERS} at most.")
    return text
