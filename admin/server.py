"""One small HTTP server beside the process's work: `GET /livez` and `GET /metrics`."""

import errno
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, NamedTuple

PORTS = 500  # how far to look for a free one
AT_ONCE = 16  # requests; who asks more often than it can be told is turned away
REQUEST_SECONDS = 5


class Page(NamedTuple):
    """An answer."""

    status: int
    content_type: str
    body: bytes


# By path; given the Accept header.
Pages = dict[str, Callable[[str], Page]]

_NOTHING = Page(404, "text/plain; charset=utf-8", b"There are /livez and /metrics.\n")


class _Handler(BaseHTTPRequestHandler):
    timeout = REQUEST_SECONDS
    server: "AdminServer"

    def do_GET(self) -> None:
        make = self.server.pages.get(self.path.partition("?")[0])
        page = make(self.headers.get("Accept", "")) if make else _NOTHING
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.body)

    do_HEAD = do_GET  # noqa: N815  # the library's name

    def version_string(self) -> str:
        return "hopfleet"

    def log_message(self, *_: Any) -> None:
        """Say nothing: a scrape is no news."""


class AdminServer(ThreadingTCPServer):
    """Listens when made; raises OSError when it cannot. `start` and `stop` once each."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = AT_ONCE

    def __init__(self, host: str, port: int, pages: Pages) -> None:
        self.pages = pages
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._room = threading.BoundedSemaphore(AT_ONCE)
        super().__init__((host, port), _Handler)
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.2,), name="admin", daemon=True
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Answer from now on, in threads of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, unless too many are being answered."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer one."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asks and hangs up is no error of ours."""


def listen(host: str, port: int, pages: Pages) -> AdminServer:
    """A server on the first free port from `port` upwards; 0 takes any. Raises OSError."""
    for candidate in range(port, min(port + PORTS, 65536) if port else 1):
        try:
            return AdminServer(host, candidate, pages)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, f"no free port from {port} upwards")
