"""The pool grows with the work and holds little without it."""

import json
import os
import subprocess
import sys

import pytest

from tests.reading import ROOT

# A process of its own: threads that other tests left behind use this one's pool, too.
_PROGRAM = """
import json, sys
from db import connection
connection.serve(sys.argv[1])
connection.pool().wait()
idle = connection.pool_use()
with connection.transaction() as tx, connection.transaction() as other:
    pids = {each.info.backend_pid for each in (tx, other)}
print(json.dumps([idle.open, idle.most, len(pids)]))
connection.close_pool()
"""


@pytest.mark.parametrize(("role", "most"), [("ingest", 5), ("scheduler", 12), ("", 20)])
def test_a_process_opens_one_session_and_more_only_for_work(
    database: str, role: str, most: int
) -> None:
    environment = {**os.environ, "HOPFLEET_DATABASE_URL": database}

    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, role], env=environment, cwd=ROOT,
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    assert json.loads(done.stdout) == [1, most, 2]
