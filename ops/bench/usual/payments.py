"""The usual way of taking a notification: decrypt, insert and commit, then answer.

It is spared the look at the click and at what was told of the receipt before.
"""

import base64
import hashlib
from functools import cache
from typing import Any

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from fastapi import FastAPI, Response
from sqlalchemy import insert as plain_insert
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from base.clock import now
from ops.bench.sales import SECRET
from ops.bench.usual.tables import campaigns, engine, events, messages

EVENT_TYPES = {"SALE": "conversion", "BILL": "rebill", "RFND": "refund"}
_KEY = hashlib.sha1(SECRET.encode()).hexdigest()[:32].encode()  # noqa: S324 - the network's way

app = FastAPI(openapi_url=None)


def opened(told: dict[str, str]) -> tuple[bytes, dict[str, Any]]:
    """A notification's plain text, and what stands in it."""
    iv, hidden = base64.b64decode(told["iv"]), base64.b64decode(told["notification"])
    cipher = Cipher(algorithms.AES(_KEY), modes.CBC(iv)).decryptor()
    padded = cipher.update(hidden) + cipher.finalize()
    text = padded[: -padded[-1]]
    return text, orjson.loads(text)


def details_of(message: dict[str, Any]) -> dict[str, Any]:
    """The event's metadata."""
    return {
        "receipt": message["receipt"],
        "role": message["role"],
        "vendor": message["vendor"],
        "click_id": message["trackingCodes"][0],
        "transaction_type": message["transactionType"],
        "occurred_at": message["transactionTime"],
    }


@cache
def _campaign() -> Any:
    with engine().connect() as connection:
        return connection.execute(select(campaigns).limit(1)).one()


@app.get("/healthz")
def healthz() -> dict[str, str]:
    """The database answers."""
    return {"campaign": str(_campaign().id)}


# Not async: the engine blocks, so FastAPI's threads are the right place for it.
@app.post("/webhooks/clickbank/{key}")
def notification(key: str, told: dict[str, str]) -> Response:
    """One message: committed before the answer."""
    text, message = opened(told)
    kind, receipt = message["transactionType"], message["receipt"]
    external = f"{message['vendor']}:{receipt}:{kind}:{message['role']}"
    with engine().begin() as connection:
        statement = insert(messages).on_conflict_do_nothing().returning(messages.c.id)
        kept = {"state": "done", "source": "usual", "external_id": external, "type": kind,
                "receipt": receipt, "body": text}  # fmt: skip
        if connection.execute(statement.values(kept)).first() is not None:
            event = {
                "user_id": _campaign().user_id, "campaign_id": _campaign().id,
                "event_type": EVENT_TYPES[kind], "source": "clickbank",
                "details": details_of(message), "revenue": message["totalAccountAmount"],
                "created_at": now(),
            }  # fmt: skip
            connection.execute(plain_insert(events).values(event))
    return Response(status_code=204)
