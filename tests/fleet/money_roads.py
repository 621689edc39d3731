"""From a telling to the request that tells it, by each road; and whether an answer was an ack."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

import orjson

from ops.bench import sales
from tests.fleet.money_world import Telling

_INS = {"conversion": "SALE", "rebill": "BILL", "refund": "RFND"}
_STATUS = {"conversion": "approved", "rebill": "rebill", "refund": "refund"}


@dataclass(frozen=True)
class Address:
    """How the messages of one campaign's owner are told."""

    tracking_id: str
    clickbank: str  # keys
    postback: str
    bearer: str  # a whole header line
    role: str  # of the ClickBank account


@dataclass(frozen=True)
class Roads:
    """What turns tellings into requests: addresses by campaign, and its clicks' ids."""

    addresses: Mapping[str, Address]
    clicks: Mapping[str, list[str]]
    at: datetime  # when the world's time began

    def request(self, telling: Telling) -> bytes:
        """The same bytes each time it is asked."""
        found = self.addresses[telling.campaign]
        click = None if telling.click is None else self.clicks[telling.campaign][telling.click]
        if telling.road == "ins":
            return self._ins(telling, found, click)
        if telling.road == "postback":
            return _postback(telling, found, click)
        return _api(telling, found, click) if telling.road == "api" else _pixel(telling, found)

    def _ins(self, telling: Telling, found: Address, click: str | None) -> bytes:
        kind = "CGBK" if telling.is_chargeback else _INS[telling.kind]
        amount = -telling.amount if telling.kind == "refund" else telling.amount
        text = sales.plain(
            kind, telling.receipt, amount, self.at + timedelta(seconds=telling.second),
            click=click, role=found.role, parent=telling.parent or None,
            email=(telling.email or None) if found.role == "VENDOR" else None,
        )  # fmt: skip
        iv = hashlib.sha256(text).digest()[:16]
        body = sales.encrypted(text, sales.SECRET, iv)
        return _post(f"/webhooks/clickbank/{found.clickbank}", "", body)


def _postback(telling: Telling, found: Address, click: str | None) -> bytes:
    told = {
        "click_id": click, "order_id": telling.receipt, "number": telling.number,
        "amount": telling.amount, "status": _STATUS[telling.kind], "email": telling.email,
    }  # fmt: skip
    query = urlencode({name: value for name, value in told.items() if value})
    return f"GET /postback/{found.postback}?{query} HTTP/1.1\r\nHost: t\r\n\r\n".encode()


def _api(telling: Telling, found: Address, click: str | None) -> bytes:
    told = {
        "type": telling.kind, "order_id": telling.receipt, "amount": str(telling.amount),
        "email": telling.email, "click_id": click,
        "event_id": f"{telling.receipt}-{telling.number}" if telling.number else "",
    }  # fmt: skip
    if click is None:
        told["tracking_id"] = found.tracking_id
    body = orjson.dumps({name: value for name, value in told.items() if value}).decode()
    return _post("/v1/events", found.bearer, body)


def _pixel(telling: Telling, found: Address) -> bytes:
    query = urlencode(
        {"event": telling.kind, "order_id": telling.receipt, "amount": telling.amount}
    )
    return f"GET /p/{found.tracking_id}.gif?{query} HTTP/1.1\r\nHost: t\r\n\r\n".encode()


def _post(path: str, headers: str, body: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: application/json\r\n{headers}\r\n{body}"
    ).encode()


def is_ack(telling: Telling, status: int, head: bytes, body: bytes) -> bool:
    """Whether the answer promises that the message is on disk; "again" when it does not."""
    if telling.road == "pixel":
        return b"\r\nX-Click-Id: " in head
    if telling.road == "api":
        return status == 202 and b'"status":"accepted"' in body
    return status in (200, 204)
