"""The usual worker of workflows: a message is a run, a step is a transaction."""

from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from base.settings import settings
from ops.bench.usual.workflow_tables import Campaign, Note, Run, Step, Workflow, engine

dramatiq.set_broker(RedisBroker(url=settings().redis, namespace="usual"))  # type: ignore[no-untyped-call]


@dramatiq.actor
def execute(run_id: int) -> None:
    """The steps of a run that are not done yet, a transaction for each; the last one ends it."""
    with Session(engine()) as session:
        with session.begin():
            found = session.get(Run, run_id)
            if found is None or found.state == "done":
                return
            actions = session.scalars(
                select(Workflow.actions).where(Workflow.id == found.workflow_id)
            ).one()
            done = session.scalars(select(Step.number).where(Step.run_id == run_id)).all()
        for number, action in enumerate(actions, 1):
            if number not in done:
                with session.begin():
                    _step(session, run_id, number, action, last=number == len(actions))


def _step(session: Session, run_id: int, number: int, action: Any, *, last: bool) -> None:
    run = session.get_one(Run, run_id, with_for_update=True)
    workflow = session.get_one(Workflow, run.workflow_id)
    campaign = session.scalars(
        select(Campaign).where(Campaign.user_id == workflow.user_id).limit(1)
    ).one()
    if "set_campaign_status" in action:
        campaign.status = action["set_campaign_status"]["status"]
    else:
        text = action["record_note"]["text"].replace("{{ campaign.name }}", campaign.name)
        session.add(Note(user_id=workflow.user_id, run_id=run_id, text=text))
    session.add(Step(run_id=run_id, number=number, output={"campaign": str(campaign.id)}))
    if last:
        run.state = "done"
        run.ended_at = func.now()
