"""`python -m tests.ops.stand_in FOLDER PORT WORKER`: `hopfleet up` with a small fleet."""

import os
import sys
from pathlib import Path

from base.errors import HopfleetError
from base.settings import settings
from ops.local import whole
from ops.local.fleet import Fleet, Program
from ops.local.folder import DataFolder
from ops.local.screen import Screen

_NOTHING = (sys.executable, "-c", "")


def _program(word: str) -> tuple[str, ...]:
    return (sys.executable, str(Path(__file__).with_name("stand_in_programs.py")), word)


def up(folder: Path, port: int, worker: str) -> None:
    """Like `hopfleet up --json --no-demo`; the worker is `obedient` or `stubborn`."""
    chosen = settings().model_copy(update={"port": port, "data_dir": folder})
    fleet = Fleet(
        programs=(
            Program("ingest", _program("door"), stops=0, grace_seconds=2.5),
            Program("worker", _program(worker), stops=1, grace_seconds=1.0),
        ),
        migrate=_NOTHING,
        demo=_NOTHING,
    )
    whole.run(chosen, DataFolder(folder), Screen(), fleet, demo=False, json=True)


if __name__ == "__main__":
    try:
        up(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    except HopfleetError as error:
        print(error)
        sys.stdout.flush()
        os._exit(1)
