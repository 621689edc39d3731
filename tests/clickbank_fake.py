"""A ClickBank of our own: an account's orders behind the real wire format of its REST API.

JSON as it is translated from XML there: one instead of a list of one, texts instead of numbers,
`@nil`, attributes, typed values; pages by a header, 206 while there are more; 403 for everything
that is not allowed.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "API-OF-THE-FAKE"
_NIL = {"@nil": "true"}


@dataclass
class ClickBank:
    """One account; `orders` as notifications' plain texts tell them, in any order."""

    orders: list[dict[str, Any]] = field(default_factory=list)
    page_size: int = 100
    asked: list[tuple[str, str]] = field(default_factory=list)  # path with query, page
    refusals: int = 0  # how many of the next questions answer 403, as beyond a limit
    failure: tuple[int, bytes] | None = None

    def answer(self, path: str, asked: dict[str, list[str]], page: int) -> tuple[int, bytes]:
        """A status and a body."""
        if self.refusals:
            self.refusals -= 1
            return 403, b"You have exceeded your limits"
        if self.failure is not None:
            return self.failure
        if not path.endswith("/orders2/list"):
            return 403, b"Access denied"
        first, last = asked["startDate"][0], asked["endDate"][0]
        found = [one for one in self.orders if first <= _day(one) <= last]
        at = (page - 1) * self.page_size
        some = found[at : at + self.page_size]
        if not some:
            return 200, b"null"
        told: Any = [_translated(one) for one in some]
        body = json.dumps({"orderData": told[0] if len(told) == 1 else told}).encode()
        return (206 if at + self.page_size < len(found) else 200), body

    @contextmanager
    def serve(self) -> Iterator[str]:
        """The API's address, as long as it is needed."""
        account = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                url, page = urlsplit(self.path), self.headers.get("Page", "1")
                account.asked.append((self.path, page))
                if self.headers.get("Authorization") != KEY:
                    status, body = 403, b"Invalid API key"
                else:
                    status, body = account.answer(url.path, parse_qs(url.query), int(page))
                self.send_response_only(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/rest/1.3/"
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)


def _day(order: dict[str, Any]) -> str:
    digits = order["transactionTime"].replace("-", "", 2)[:8]
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"


def _text(value: Any) -> Any:
    if value in (None, ""):
        return _NIL
    return value if isinstance(value, str) else str(value).lower()


def _translated(told: dict[str, Any]) -> dict[str, Any]:
    """What a notification told, as an order of the API."""
    lines = [
        {
            "@sku": one.get("itemNo", ""), "itemNo": _text(one.get("itemNo")),
            "accountAmount": {"@type": "xs:decimal", "$": str(one["accountAmount"])},
            "quantity": _text(one.get("quantity")), "lineItemType": _text(one.get("lineItemType")),
            "role": _text(told.get("role")), "nextPaymentDate": _NIL,
        }
        for one in told["lineItems"]
    ]  # fmt: skip
    codes = told.get("trackingCodes") or [None]
    order = {
        name: _text(told.get(name))
        for name in ("transactionTime", "receipt", "transactionType", "vendor", "affiliate", "role",
                     "paymentMethod", "currency", "totalOrderAmount")
    }  # fmt: skip
    return {
        **order,
        "trackingId": _text(codes[0]),
        "email": "buyer@example.com",
        "lineItemData": lines[0] if len(lines) == 1 else lines,
        "vendorVariables": {"item": [{"name": n, "value": v}
                                     for n, v in told.get("vendorVariables", {}).items()]},
        "affiliateTrackingParameters": told.get("affiliateTrackingParameters", _NIL),
    }  # fmt: skip
