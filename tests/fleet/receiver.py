"""A real server that workflows call: it keeps each idempotency key's effect, and misbehaves."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

_SLOW_SECONDS = 60.0
_DROPS, _REFUSES = 10, 15  # every so manyeth new key: no answer after the effect; 503 before it


class Receiver:
    """What was called: how often with each key, what it did for it, and who used which keys.

    A request to /slow/ waits until `released`; one to /echo/STATUS/… is answered with that status
    and all that it held.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.lock = threading.Lock()
        self.calls: Counter[str] = Counter()
        self.effects: dict[str, str] = {}  # the run a key's effect was for
        self.keys: defaultdict[str, set[str]] = defaultdict(set)  # of each run
        self.heads: list[str] = []  # of each request, as it came
        self.released = threading.Event()  # requests to /slow/ are answered then
        self.misbehaves = True

    def take(self, key: str, run: str) -> str:
        """Handle a call; "take", "drop" after the effect, or "refuse" without one."""
        with self.lock:
            self.calls[key] += 1
            self.keys[run].add(key)
            first, number = self.calls[key] == 1, len(self.calls)
            if first and self.misbehaves and number % _REFUSES == 0:
                return "refuse"
            self.effects.setdefault(key, run)
            return "drop" if first and self.misbehaves and number % _DROPS == 0 else "take"


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def do_POST(self) -> None:
        """Called by the library for each request."""
        wanted = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(wanted)
        if len(body) < wanted:  # whoever sent it was killed in the middle
            self.close_connection = True
            return
        head = f"{self.requestline}\n{self.headers}"
        self.receiver.heads.append(head)
        if self.path.startswith("/echo/"):
            self._say(int(self.path[6:9]), head.encode() + body)
            return
        if self.path.startswith("/slow/"):
            self.receiver.released.wait(_SLOW_SECONDS)
        run = str(orjson.loads(body)["run"]) if body else ""
        does = self.receiver.take(self.headers.get("Idempotency-Key") or "", run)
        if does == "drop":
            self.close_connection = True
            return
        self._say(503 if does == "refuse" else 200, b"ok")

    do_GET = do_POST  # noqa: N815 - the library looks for the name

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that was killed is no error of ours."""


@contextmanager
def receiver() -> Iterator[Receiver]:
    """The server, while the block lasts."""
    door: Any = type("_Bound", (_Door,), {})
    server = _Server(("127.0.0.1", 0), door)
    found = door.receiver = Receiver(f"http://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
