"""The same as the usual way of taking notifications, by hand: asyncio and one statement each.

Nobody's first version looks like this: one prepared statement and one round trip, over a pool of
psycopg's own. It shows what committing inside the request costs at the very least.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from fastapi import FastAPI, Request, Response
from psycopg_pool import AsyncConnectionPool

from base.settings import settings
from ops.bench.database import USUAL_PAYMENT, USUAL_USER
from ops.bench.usual.payments import EVENT_TYPES, details_of, opened

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
    text, message = opened(orjson.loads(await request.body()))
    kind, receipt = message["transactionType"], message["receipt"]
    values = (
        f"{message['vendor']}:{receipt}:{kind}:{message['role']}", kind, receipt, text,
        _known["user"], EVENT_TYPES[kind], orjson.dumps(details_of(message)).decode(),
        str(message["totalAccountAmount"]),
    )  # fmt: skip
    async with request.app.state.pool.connection() as connection:
        await connection.execute(USUAL_PAYMENT, values)
    return Response(status_code=204)
