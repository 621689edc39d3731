"""The doors of the usual way; links come from memory, which is kinder than the usual way is."""

from functools import cache
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from sqlalchemy import select

from base.clock import now, wall_ms
from base.ids import uuid7_hex
from ops.bench.usual.actors import record
from ops.bench.usual.tables import campaigns, engine

app = FastAPI(openapi_url=None)

_PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)


@cache
def _links() -> dict[str, Any]:
    """Every campaign by its tracking id."""
    with engine().connect() as connection:
        return {row.tracking_id: row for row in connection.execute(select(campaigns))}


@app.get("/healthz")
def healthz() -> dict[str, int]:
    """Says how many links are known; the first call loads them."""
    return {"links": len(_links())}


# Not async: `send` blocks, so FastAPI's threads are the right place for it.
@app.get("/r/{tracking_id}")
def redirect(tracking_id: str, request: Request) -> Response:
    """Send a click's message and redirect."""
    link, click_id = _keep(tracking_id, request, "click")
    headers = {"Location": link.affiliate_link, "X-Click-Id": click_id, "Cache-Control": "no-store"}
    return Response(status_code=302, headers=headers)


@app.get("/p/{tracking_id}.gif")
def pixel(tracking_id: str, request: Request) -> Response:
    """Send a view's message and answer with a GIF."""
    _, click_id = _keep(tracking_id, request, "view")
    headers = {"X-Click-Id": click_id, "Cache-Control": "no-store"}
    return Response(_PIXEL, media_type="image/gif", headers=headers)


def _keep(tracking_id: str, request: Request, event_type: str) -> tuple[Any, str]:
    link = _links().get(tracking_id)
    if link is None:
        raise HTTPException(404)
    query, headers, moment = request.query_params, request.headers, now().isoformat()
    click_id = uuid7_hex(wall_ms())
    details: dict[str, str | None] = {
        name: value for name, value in query.items() if name != "source"
    }
    details |= {
        "click_id": click_id,
        "ip": request.client.host if request.client else None,
        "ua": headers.get("user-agent"),
        "referrer": headers.get("referer"),
        "received_at": moment,
    }
    record.send(
        {
            "user_id": str(link.user_id),
            "campaign_id": str(link.id),
            "event_type": event_type,
            "source": query.get("source"),
            "details": details,
            "created_at": moment,
        }
    )
    return link, click_id
