"""A small web server of our own: the page that a marketer's visitors see, and where links lead."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """Serves `pages` by path, with `headers`; `visited` holds the targets that were asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self.visited: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.origin = f"http://127.0.0.1:{self._server.server_port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.visited.append(self.path)
                page = site.pages.get(self.path.partition("?")[0])
                body = (page or "").encode()
                self.send_response(200 if page else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                for name, value in site.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        return Handler

    def serve(self) -> None:
        """Until `close`."""
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        """End serving and free the port."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def site() -> Iterator[Site]:
    """A running site while the block lasts."""
    running = Site()
    thread = threading.Thread(target=running.serve)
    thread.start()
    try:
        yield running
    finally:
        running.close()
        thread.join()
