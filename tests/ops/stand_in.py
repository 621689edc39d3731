"""A fleet of small programs, for tests of what looks after them.

`python -m tests.ops.stand_in up FOLDER PORT` runs the supervisor as `hopfleet up` does;
the other words are what it starts.
"""

import http.server
import os
import signal
import sys
import time
from pathlib import Path

from base.errors import HopfleetError
from base.settings import settings
from ops.local import whole
from ops.local.fleet import Fleet, Program
from ops.local.folder import DataFolder
from ops.local.screen import Screen


def _program(word: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.ops.stand_in", word)


FLEET = Fleet(
    programs=(
        Program("ingest", _program("door"), stops=0, grace_seconds=2.5),
        Program("worker", _program("stubborn"), stops=1, grace_seconds=1.0),
    ),
    migrate=_program("nothing"),
    demo=_program("nothing"),
)


class _Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def door() -> None:
    """Answers 200 to everything, and leaves a mark when it is told to stop."""

    def leave(*_: object) -> None:
        (settings().data_dir / "door-left").write_text(str(time.monotonic()))
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)
    http.server.HTTPServer((settings().host, settings().port), _Ready).serve_forever()


def stubborn() -> None:
    """Ignores being told to stop, says one thing worth noticing, and knows the stores."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (settings().data_dir / "worker-knows").write_text(settings().journal)
    sys.stderr.write('{"level":"warning","event":"worker.stubborn","reason":"test"}\n')
    sys.stderr.flush()
    while True:
        signal.pause()


def up(folder: Path, port: int) -> None:
    chosen = settings().model_copy(update={"port": port, "data_dir": folder})
    whole.run(chosen, DataFolder(folder), Screen(), FLEET, demo=False, json=True)


if __name__ == "__main__":
    word, *rest = sys.argv[1:]
    if word == "up":
        try:
            up(Path(rest[0]), int(rest[1]))
        except HopfleetError as error:
            print(error)
            os._exit(1)
    elif word != "nothing":
        {"door": door, "stubborn": stubborn}[word]()
