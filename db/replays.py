"""Replays: a run that failed is taken up where it stood, or a new one begins in its place."""

from collections.abc import Sequence
from uuid import uuid4

from db import runs, work
from db.connection import Tx
from db.run_rows import RunRow
from db.runs import NewRun, WorkflowRun

# What others see: a step of these that nobody knows to be done keeps its key, so that whoever
# has seen it may tell.
_OUTSIDE = ("http_request", "send_email", "notify")


def take_up(tx: Tx, run_ids: Sequence[int]) -> int:
    """Failed runs go on at the step that failed, with its key; how many of these had failed."""
    done = work.replay(tx, WorkflowRun, list(run_ids))
    tx.execute(
        "UPDATE workflow_runs SET ended_at = NULL, ready = true, cancel = false"
        " WHERE id = ANY(%s) AND state = 'pending'",
        (list(run_ids),),
    )
    return done


def begin_anew(tx: Tx, run: RunRow, step: int) -> int:
    """A new run of the same version and input, which begins at this step; returns its id.

    It takes over what the steps before gave. What is done again counts anew for others, except
    what nobody knows to be done.
    """
    [made] = runs.add(
        tx,
        [
            NewRun(
                run.workflow_id, run.user_id, run.version, "replay",
                cause=f"replay:{run.id}:{uuid4().hex}", campaign_id=run.campaign_id,
                input=run.input, depth=run.depth, parent_id=run.id,
            )
        ],
    )  # fmt: skip
    if step > 1:
        tx.execute(
            "INSERT INTO workflow_steps (run_id, path, name, action, state, outcome, attempt, key,"
            " input, output, error, started_at, ended_at)"
            " SELECT %s, path, name, action, state, outcome, attempt, key, input, output, error,"
            " started_at, ended_at FROM workflow_steps"
            " WHERE run_id = %s AND state = 'done' AND path ~ '^[0-9]+(\\.|$)'"
            " AND split_part(path, '.', 1)::int < %s",
            (made, run.id, step),
        )
    tx.execute(
        "INSERT INTO workflow_steps (run_id, path, name, action, state, attempt, key)"
        " SELECT %s, path, name, action, 'pending', attempt, key FROM workflow_steps"
        " WHERE run_id = %s AND state <> 'done' AND action = ANY(%s)"
        " ON CONFLICT (run_id, path) DO NOTHING",
        (made, run.id, list(_OUTSIDE)),
    )
    return made
