"""A ClickBank of our own: orders, products and analytics behind the wire format of its REST API.

JSON as it is translated from XML there: one instead of a list of one, texts instead of numbers,
`@nil`, attributes, typed values; pages by a header, 206 while there are more; 403 for everything
that is not allowed. `faults` are what a path does instead of answering.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
    key: str = KEY  # another one: the old one has expired
    nicknames: list[str] = field(default_factory=list)
    products: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by site
    # By role and dimension ("affiliate/vendor"): names with their values.
    sold: dict[str, list[tuple[str, dict[str, Any]]]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)  # by the end of a path
    moments: list[float] = field(default_factory=list)  # when each question came
    lasts: int | None = None  # questions until the key expires
    before: Callable[[str], object] = lambda path: None  # called before each answer

    def told(self, path: str, asked: dict[str, list[str]], page: int) -> tuple[int, bytes]:
        """A status and a body of what is no order."""
        if path.endswith("/quickstats/accounts"):
            return 200, json.dumps(
                {
                    "accountData": _one(
                        [{"nickName": name, "quickStats": _NIL} for name in self.nicknames]
                    )
                }
            ).encode()
        if path.endswith("/products/list") and asked.get("site", [""])[0] in self.products:
            found: list[Any] = [_product(one) for one in self.products[asked["site"][0]]]
            status, some = self._page(found, page)
            body: Any = {"products": {"product": _one(some)} if some else _NIL,
                         "total_record_count": str(len(found))}  # fmt: skip
            return status, json.dumps(body).encode()
        question = "/".join(path.split("/")[-2:])
        if question in self.sold:
            only = asked.get("dimensionFilter", [None])[0]
            rows = [_row(*one) for one in self.sold[question] if only in (None, one[0])]
            status, some = self._page(rows, page)
            body = {
                "rows": {"row": _one(some) if some else None},
                "totals": {"total": [{"attribute": "HOP_COUNT", "value": _typed("0")}]},
            }
            return status, json.dumps(body).encode()
        return 403, b"Access is denied"

    def _page(self, found: list[Any], page: int) -> tuple[int, list[Any]]:
        at = (page - 1) * self.page_size
        return (206 if at + self.page_size < len(found) else 200), found[at : at + self.page_size]

    def answer(self, path: str, asked: dict[str, list[str]], page: int) -> tuple[int, bytes]:
        """A status and a body."""
        if self.refusals:
            self.refusals -= 1
            return 403, b"You have exceeded your limits"
        if self.failure is not None:
            return self.failure
        if not path.endswith("/orders2/list"):
            return self.told(path, asked, page)
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
                account.moments.append(time.monotonic())
                account.before(self.path)
                expired = account.lasts is not None and len(account.asked) > account.lasts
                if self.headers.get("Authorization") != account.key or expired:
                    status, body = 403, b"Invalid API key"
                else:
                    status, body = account.answer(url.path, parse_qs(url.query), int(page))
                fault = next((f for end, f in account.faults.items() if url.path.endswith(end)), "")
                if fault.startswith("403 "):
                    status, body = 403, fault[4:].encode()
                elif fault == "endless":
                    status = 206
                elif fault == "repeats":
                    status, body = account.answer(url.path, parse_qs(url.query), 1)
                    status = 206
                elif fault == "html":
                    body = b"<!DOCTYPE html><html><body>Just a moment...</body></html>"
                elif fault:
                    status, body = (int(fault), b"") if fault.isdigit() else (status, body)
                if fault == "drips from the head on":
                    self._drip(b"HTTP/1.1 200 OK\r\n" + b"X-More: 1\r\n" * 200)
                    return
                self.send_response_only(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if fault == "cut":
                    body = body[: len(body) // 2]
                    self.close_connection = True
                if fault == "drips":
                    self._drip(body)
                    return
                self.wfile.write(body)

            def _drip(self, told: bytes) -> None:
                with suppress(OSError):  # nobody listens any more
                    for at in range(len(told)):
                        self.wfile.write(told[at : at + 1])
                        self.wfile.flush()
                        time.sleep(0.02)
                self.close_connection = True

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


def _one(some: list[Any]) -> Any:
    return some[0] if len(some) == 1 else some


def _typed(value: Any) -> dict[str, Any]:
    return {"@type": "xs:long" if str(value).isdigit() else "xs:double", "$": str(value)}


def _row(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """A row of the analytics; one value instead of a list of one, too."""
    data = [{"attribute": key, "value": _typed(value)} for key, value in values.items()]
    return {"dimensionValue": name, "data": _one(data)}


def _product(told: dict[str, Any]) -> dict[str, Any]:
    """A seller's product: {"sku", "title", "price", "rebill" (a price), "commission", ...}."""
    price = {"native_price": told["price"], "usd": told["price"], "usd_with_fees": told["price"]}
    pricing: dict[str, Any] = {"@currency": "USD", "standard": {"price": price}}
    if "rebill" in told:
        pricing["recurring"] = {"price": {"usd": told["rebill"]}, "frequency": "MONTHLY"}
    return {
        "@sku": told["sku"], "id": "1329845", "status": told.get("status", "ACTIVE"),
        "digital": "true", "digitalRecurring": _text("rebill" in told), "language": "EN",
        "title": _text(told["title"]), "description": _text(told.get("description")),
        "commission": {"purchase": told["commission"]} if "commission" in told else _NIL,
        "pricings": {"pricing": pricing}, "no_commission": "false",
        "categories": {"category": "MEMBER_SITE"},
    }  # fmt: skip


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
