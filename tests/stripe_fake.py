"""A Stripe of our own: customers, subscriptions and a clock behind the real wire format.

The real `stripe` client speaks to it over a socket. It emits events as Stripe signs them, and can
be told to fail, to be slow, to shuffle and repeat what it emits, or to render it in another API
version.
"""

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rules.stripe_signature import sign

Json = dict[str, Any]
SECRET = "whsec_of_the_fake"
KEY = "sk_test_of_the_fake"
_PAGE = 100


class Stripe:
    """One account. `now` is its clock in seconds; each change ticks it on and makes an event."""

    def __init__(self, now: int = 1_790_000_000) -> None:
        self.now = now
        self.objects: dict[str, Json] = {}  # by id, of every kind
        self.events: list[Json] = []  # in true order
        self.undelivered: set[str] = set()  # ids of events that `delivery_success=false` finds
        self.asked: list[str] = []  # paths of questions, with their queries
        self.fails = 0  # how many of the next questions answer 500; -1: all
        self.while_asked: Callable[[str], None] = lambda path: None  # before an answer goes out
        self.shape = "basil"
        self._numbers: dict[str, int] = {}
        self._lock = threading.Lock()

    # --- the account

    def id(self, prefix: str) -> str:
        """A new id, such as `sub_3`; those of events say nothing of their order, as Stripe's."""
        self._numbers[prefix] = self._numbers.get(prefix, 0) + 1
        number = self._numbers[prefix]
        return f"{prefix}_{number * 7919 % 10007 if prefix == 'evt' else number}"

    def tick(self, seconds: int = 1) -> None:
        """Let time pass."""
        self.now += seconds

    def put(self, kind: str, prefix: str, **fields: Any) -> Json:
        """A new object, without an event."""
        made: Json = {"id": self.id(prefix), "object": kind, "created": self.now, "metadata": {}}
        made |= fields
        self.objects[made["id"]] = made
        return made

    def emit(self, kind: str, about: Json) -> Json:
        """An event about an object as it is now."""
        event = {
            "id": self.id("evt"), "object": "event", "type": kind, "created": self.now,
            "livemode": False, "api_version": "2026-10-28.endive", "pending_webhooks": 1,
            "data": {"object": json.loads(json.dumps(about))},
        }  # fmt: skip
        self.events.append(event)
        return event

    def customer(self, **fields: Any) -> Json:
        """A new customer."""
        return self.put("customer", "cus", **fields)

    def subscribe(self, customer: str, status: str = "incomplete", **fields: Any) -> Json:
        """A new subscription and its event; `price` may be an id or a price's fields."""
        told = fields.pop("price", "price_starter")
        price: Json = {"object": "price", "product": "prod_1", "lookup_key": None, "metadata": {}}
        price |= {"id": told} if isinstance(told, str) else told
        made = self.put(
            "subscription", "sub", customer=customer, status=status,
            **{"trial_end": None, "ended_at": None, "items": self._items(price)} | fields,
        )  # fmt: skip
        self.emit("customer.subscription.created", made)
        return made

    def _items(self, price: Json) -> Json:
        item: Json = {"id": self.id("si"), "object": "subscription_item"}
        if self.shape == "pre-basil":
            item["plan"] = {**price, "object": "plan"}
        else:
            item |= {"price": price, "current_period_end": self.now + 86_400 * 30}
        return {"object": "list", "data": [item], "has_more": False}

    def change(self, about: Json, **fields: Any) -> Json:
        """Change a subscription a second later; returns the event."""
        self.tick()
        about.update(fields)
        ended = about["status"] in ("canceled", "incomplete_expired")
        if ended and about["ended_at"] is None:
            about["ended_at"] = self.now
        kind = "deleted" if about["status"] == "canceled" else "updated"
        return self.emit(f"customer.subscription.{kind}", about)

    def delete_customer(self, customer: Json) -> None:
        """A customer goes, and all subscriptions with it."""
        for one in list(self.objects.values()):
            if one.get("customer") == customer["id"] and one["object"] == "subscription":
                self.change(one, status="canceled")
        self.tick()
        self.emit("customer.deleted", customer)

    def thin(self, event: Json) -> Json:
        """The same news as a thin event."""
        about = event["data"]["object"]
        names = {"subscription": "subscriptions", "customer": "customers", "invoice": "invoices"}
        return {
            "id": f"{event['id']}_thin", "object": "v2.core.event", "type": f"v1.{event['type']}",
            "created": "2026-09-30T12:00:00.000Z", "livemode": False,
            "related_object": {
                "id": about["id"], "type": about["object"],
                "url": f"/v1/{names.get(about['object'], 'charges')}/{about['id']}",
            },
            "snapshot_event": event["id"],
        }  # fmt: skip

    # --- deliveries

    def delivered(
        self,
        seed: int,
        *,
        repeats: float = 0.3,
        lost: float = 0.0,
        events: list[Json] | None = None,
    ) -> list[Json]:
        """Events in the order in which they arrive: shuffled, some repeated, some lost."""
        dice = random.Random(seed)
        found = [one for one in (events or self.events) if dice.random() >= lost]
        found += [one for one in found if dice.random() < repeats]
        dice.shuffle(found)
        return found

    # --- the API

    def answer(self, path: str, asked: dict[str, list[str]]) -> tuple[int, Json]:
        """What the API says to a question."""
        if path == "/v1/subscriptions":
            wanted = asked.get("customer")
            found = [one for one in self.objects.values() if one["object"] == "subscription"
                     and (not wanted or one["customer"] == wanted[0])]  # fmt: skip
            return 200, self._paged(found[::-1], asked, path)
        if path == "/v1/events":
            found = [one for one in self.events if one["id"] in self.undelivered]
            return 200, self._paged(found[::-1], asked, path)
        found_one = self.objects.get(path.rpartition("/")[2])
        if found_one is None:
            return 404, {"error": {"type": "invalid_request_error", "code": "resource_missing"}}
        return 200, self._expanded(found_one, asked)

    def _expanded(self, one: Json, asked: dict[str, list[str]]) -> Json:
        if "product" in asked.get("expand[0]", []) and one.get("product") in self.objects:
            return {**one, "product": self.objects[one["product"]]}
        return one

    def _paged(self, found: list[Json], asked: dict[str, list[str]], path: str) -> Json:
        limit = int(asked.get("limit", ["10"])[0])
        after = asked.get("starting_after", [""])[0]
        ids = [one["id"] for one in found]
        begin = ids.index(after) + 1 if after in ids else 0
        page = found[begin : begin + min(limit, _PAGE)]
        more = begin + len(page) < len(found)
        return {"object": "list", "url": path, "has_more": more, "data": page}

    @contextmanager
    def serve(self) -> Iterator[str]:
        """The API's address, as long as it is needed."""
        account = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                with account._lock:
                    account.asked.append(self.path)
                    fails = account.fails != 0
                    account.fails -= account.fails > 0
                    status, said = account.answer(url.path, parse_qs(url.query))
                    body = json.dumps(said).encode()
                account.while_asked(url.path)
                # Of when the answer goes out: what is in it may have changed meanwhile.
                date = formatdate(account.now, usegmt=True)
                if fails:
                    status, body = 500, b'{"error": {"type": "api_error"}}'
                if not self.headers.get("Authorization", "").endswith(KEY):
                    status, body = 401, b'{"error": {"type": "invalid_request_error"}}'
                self.send_response_only(status)
                self.send_header("Date", date)
                self.send_header("Content-Type", "application/json")
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
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)


def signed(event: Json, seconds: int, secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
    """An event's bytes, and the header that Stripe would send with them."""
    body = json.dumps(event, indent=2).encode()
    return body, {"Stripe-Signature": sign(body, secret.encode(), seconds).decode()}
