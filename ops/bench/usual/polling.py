"""The usual scheduler: `python -m ops.bench.usual.polling BATCH`, one of several."""

import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from apscheduler.schedulers.blocking import BlockingScheduler
from cronsim import CronSim
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from base.clock import now
from ops.bench.usual.automations import execute
from ops.bench.usual.workflow_tables import Run, Workflow, engine


def _next(workflow: Workflow, after: datetime) -> datetime:
    """The next time of its expression, in UTC."""
    zone = ZoneInfo(workflow.trigger_config["timezone"])
    return next(CronSim(workflow.trigger_config["cron"], after.astimezone(zone))).astimezone(UTC)


def fire(batch: int) -> None:
    """Take due workflows until there are none, so many in a transaction; then send their runs."""
    while True:
        with Session(engine(), expire_on_commit=False) as session, session.begin():
            due = session.scalars(
                select(Workflow)
                .where(Workflow.status == "active", Workflow.next_run_at <= func.now())
                .order_by(Workflow.next_run_at)
                .limit(batch)
                .with_for_update(skip_locked=True)
            ).all()
            runs = []
            for workflow in due:
                assert workflow.next_run_at is not None
                runs.append(Run(workflow_id=workflow.id, due_at=workflow.next_run_at))
                workflow.last_run_at = workflow.next_run_at
                workflow.next_run_at = _next(workflow, now())
            session.add_all(runs)
        if not runs:
            return
        for run in runs:
            execute.send(run.id)


def main(batch: int) -> None:
    """Look every second, until killed."""
    clock = BlockingScheduler(timezone="UTC")
    clock.add_job(
        fire, "interval", args=[batch], seconds=1, next_run_time=now(), coalesce=True,
        max_instances=1, misfire_grace_time=None,
    )  # fmt: skip
    print("polling.started", flush=True)
    clock.start()


if __name__ == "__main__":
    main(int(sys.argv[1]))
