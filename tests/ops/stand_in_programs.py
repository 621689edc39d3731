"""Small programs in place of doors and workers; they import nothing of ours, to start quickly."""

import http.server
import os
import signal
import sys
from pathlib import Path

FOLDER = Path(os.environ["HOPFLEET_DATA_DIR"])


class _Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def door() -> None:
    """Answers 200 to everything, and leaves a mark when it is told to stop."""

    def leave(*_: object) -> None:
        (FOLDER / "door-left").touch()
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)
    port = int(os.environ["HOPFLEET_PORT"])
    http.server.HTTPServer(("127.0.0.1", port), _Ready).serve_forever()


def obedient() -> None:
    """Says one thing worth noticing, knows the stores, and ends when told to."""
    (FOLDER / "worker-knows").write_text(os.environ["HOPFLEET_JOURNAL_URL"])
    sys.stderr.write('{"level":"warning","event":"worker.began","reason":"test"}\n')
    sys.stderr.flush()
    while True:
        signal.pause()


def stubborn() -> None:
    """The same, but ignores being told."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    obedient()


if __name__ == "__main__":
    {"door": door, "obedient": obedient, "stubborn": stubborn}[sys.argv[1]]()
