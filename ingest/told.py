"""What a beacon's request says, in whichever of its forms."""

from ingest.http import Request
from rules.query import parse
from schemas import beacon

_FORM = b"application/x-www-form-urlencoded"


def told_by(request: Request, query: dict[str, str]) -> beacon.BeaconIn:
    """What a beacon says, in JSON or as a form; raises `Refused`.

    Only what starts as JSON is JSON when it calls itself a form, as curl's bodies do.
    """
    body = request.body
    is_form = request.headers.get(b"content-type", b"").lower().startswith(_FORM)
    if is_form and body.lstrip()[:1] not in (b"{", b"["):
        return beacon.shape(query | parse(body))
    return beacon.read(body, query)
