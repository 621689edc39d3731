"""The usual way of taking a notification: decrypt, insert and commit, then answer.

At its best: one statement, one round trip, prepared, over a pool of psycopg's own; no look at
the click, which ours has to find.
"""

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from fastapi import FastAPI, Request, Response
from psycopg_pool import AsyncConnectionPool

from base.settings import settings
from ops.bench.database import USUAL_PAYMENT, USUAL_USER
from ops.bench.sales import SECRET

_KEY = hashlib.sha1(SECRET.encode()).hexdigest()[:32].encode()  # noqa: S324 - the network's way
_TYPES = {"SALE": "conversion", "BILL": "rebill", "RFND": "refund"}
_known: dict[str, object] = {}


@asynccontextmanager
async def _standing(app: FastAPI) -> AsyncIterator[None]:
    """A pool as large as is told by the setting of ours."""
    size = settings().pool_max
    async with AsyncConnectionPool(
        settings().database, min_size=size, max_size=size, kwargs={"autocommit": True}
    ) as pool:
        app.state.pool = pool
        async with pool.connection() as connection:
            found = await (await connection.execute(USUAL_USER)).fetchone()
        assert found is not None
        _known["user"] = found[0]
        yield


app = FastAPI(openapi_url=None, lifespan=_standing)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """The pool stands."""
    return {"status": "ok"}


@app.post("/webhooks/clickbank/{key}")
async def notification(key: str, request: Request) -> Response:
    """One message: committed before the answer."""
    told = orjson.loads(await request.body())
    iv, hidden = base64.b64decode(told["iv"]), base64.b64decode(told["notification"])
    cipher = Cipher(algorithms.AES(_KEY), modes.CBC(iv)).decryptor()
    text = cipher.update(hidden) + cipher.finalize()
    text = text[: -text[-1]]
    message = orjson.loads(text)
    kind, receipt = message["transactionType"], message["receipt"]
    details = {
        "receipt": receipt, "role": message["role"], "vendor": message["vendor"],
        "click_id": message["trackingCodes"][0], "transaction_type": kind,
        "occurred_at": datetime.fromisoformat(message["transactionTime"]).isoformat(),
    }  # fmt: skip
    values = (
        f"{message['vendor']}:{receipt}:{kind}:{message['role']}", kind, receipt, text,
        _known["user"], _TYPES[kind], orjson.dumps(details).decode(),
        str(message["totalAccountAmount"]),
    )  # fmt: skip
    async with request.app.state.pool.connection() as connection:
        await connection.execute(USUAL_PAYMENT, values)
    return Response(status_code=204)
