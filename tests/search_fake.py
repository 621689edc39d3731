"""The marketplace's search of our own: offers behind its GraphQL, and the walls before it."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# A number that no float of Python's writes so: it is told, and kept, as it stands.
LONG = "143.04437753463170"


def hit(site: str, category: str = "Home & Garden", **stats: Any) -> dict[str, Any]:
    """An offer, as the search tells it."""
    usual = {
        "category": category, "subCategory": "Crafts & Hobbies", "activateDate": "03-05-2024",
        "gravity": 48.2731, "rank": 3, "initialDollarsPerSale": 31.5, "rebill": True,
        "expectedReturnRate": 0.0625, "returnRateSource": None, "en": True,
    }  # fmt: skip
    return {
        "site": site.upper(), "title": f"The offer of {site}", "url": f"https://{site}.example/",
        "offerImageUrl": None, "affiliateToolsUrl": None, "marketplaceStats": {**usual, **stats},
    }  # fmt: skip


@dataclass
class Search:
    """`hits` in their order; `failure` is answered instead; `asked` are the parameters."""

    hits: list[dict[str, Any]] = field(default_factory=list)
    failure: tuple[int, bytes] | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    repeats: bool = False

    def answer(self, parameters: dict[str, Any]) -> tuple[int, bytes]:
        if self.failure is not None:
            return self.failure
        found = [one for one in self.hits if self._is_asked(one, parameters)]
        at = 0 if self.repeats else parameters["offset"]
        told = {
            "totalHits": 10**6 if self.repeats else len(found), "offset": at,
            "hits": found[at : at + parameters["resultsPerPage"]],
        }  # fmt: skip
        body = json.dumps({"data": {"marketplaceSearch": told}})
        return 200, body.replace("48.2731", LONG).encode()

    def _is_asked(self, one: dict[str, Any], parameters: dict[str, Any]) -> bool:
        if "nicknameMasq" in parameters:
            return bool(one["site"] == parameters["nicknameMasq"])
        return bool(one["marketplaceStats"]["category"] == parameters["category"])

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Its address, as long as it is needed."""
        search = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert re.search(r"marketplaceSearch\(parameters: \$parameters\)", body["query"])
                search.asked.append(body["variables"]["parameters"])
                status, told = search.answer(body["variables"]["parameters"])
                self.send_response_only(status)
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/graphql"
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)
