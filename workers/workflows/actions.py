"""Actions in the database: what a step does is committed together with its row."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from base.errors import Misused, Permanent
from base.settings import settings
from db import deliveries, orders, product_syncs, receipts, runs, scopes, workflow_actions
from db.connection import Tx
from db.deliveries import Sold
from db.run_work import Run
from db.runs import NewRun
from db.workflow_actions import NewContent
from rules.bonuses import sale_of
from workers.products import syncing
from workers.workflows.scope import Scope

SYNC_SECONDS = 600.0  # everybody shares one catalogue: not more often, whoever asks
MOST_DEPTH = 8  # workflows that start each other, or fire by each other's events

Output = dict[str, Any]


class Doing(NamedTuple):
    """Where an action happens: its transaction, run and step."""

    tx: Tx
    run: Run
    path: str
    scope: Scope

    def campaign(self, named: Any) -> str:
        """The campaign a step means: the one it names, else the run's own."""
        if named:
            return str(named)
        if self.scope.campaign is None:
            raise Permanent("it names no campaign, and the run has none")
        return str(self.scope.campaign["id"])


def set_campaign_status(doing: Doing, args: Output) -> Output:
    """Pause, resume or end a campaign."""
    campaign = doing.campaign(args.get("campaign"))
    before = workflow_actions.set_campaign_status(
        doing.tx, doing.run.user_id, campaign, args["status"]
    )
    if before is None:
        raise Permanent(f"there is no campaign {campaign[:100]}")
    return {"campaign": campaign, "before": before, "status": args["status"]}


def create_content(doing: Doing, args: Output) -> Output:
    """Write content from a template."""
    campaign = args.get("campaign")
    found = None
    if campaign or doing.scope.campaign is not None:
        found = scopes.campaign_named(doing.tx, doing.run.user_id, doing.campaign(campaign))
        if found is None:
            raise Permanent(f"there is no campaign {str(campaign)[:100]}")
    new = NewContent(
        doing.run.user_id, found, args["type"], args.get("title"), args["body"],
        args.get("metadata"), args.get("status") or "draft",
    )  # fmt: skip
    workflow_actions.depth(doing.tx, doing.run.depth)
    return {"content": str(workflow_actions.create_content(doing.tx, new))}


def publish_content(doing: Doing, args: Output) -> Output:
    """Publish content; what is published already stays as it is."""
    workflow_actions.depth(doing.tx, doing.run.depth)
    published = workflow_actions.publish_content(doing.tx, doing.run.user_id, str(args["content"]))
    if published is None:
        raise Permanent(f"there is no content {str(args['content'])[:100]}")
    return {"content": str(args["content"]), "published": published}


def schedule_content(doing: Doing, args: Output) -> Output:
    """Have content published at a time."""
    try:
        at = datetime.fromisoformat(str(args["at"]))
    except ValueError:
        raise Permanent(f"`{str(args['at'])[:100]}` is no time") from None
    if at.tzinfo is None:
        raise Permanent(f"`{at.isoformat()}` has no time zone")
    content = str(args["content"])
    workflow_actions.depth(doing.tx, doing.run.depth)
    if not workflow_actions.schedule_content(doing.tx, doing.run.user_id, content, at):
        raise Permanent(f"there is no content {content[:100]} that is not published yet")
    return {"content": content, "at": at.isoformat()}


def deliver_bonus(doing: Doing, args: Output) -> Output:
    """Owe a buyer the bonuses of the campaign of a counted sale; owed once, however often told."""
    receipt = str(args["receipt"])
    user = str(doing.run.user_id)
    order = next(iter(orders.hold(doing.tx, [(user, receipt)]).values()), None)
    facts = receipts.of_orders(doing.tx, [order.id] if order is not None else [])
    sale = sale_of(facts[order.id]) if order is not None and order.id in facts else None
    if order is None or order.campaign_id is None or sale is None:
        raise Permanent(
            f"no counted, unrefunded sale of a campaign has the receipt {receipt[:100]}"
        )
    bonus = args.get("bonus")
    sold = Sold(user, order.campaign_id, order.id, sale.receipt, sale.event_id)
    new = deliveries.owe_one(doing.tx, sold, bonus and str(bonus))
    if new is None:
        raise Permanent(f"the campaign of that sale has no active bonus {str(bonus)[:100]}")
    return {"receipt": receipt, "new": new}


def record_note(doing: Doing, args: Output) -> Output:
    """Write a note down for the owner."""
    campaign = doing.scope.campaign["id"] if doing.scope.campaign else None
    number = workflow_actions.note(
        doing.tx, doing.run.user_id, doing.run.workflow_id, doing.run.id, campaign,
        str(args["text"]),
    )  # fmt: skip
    return {"note": number}


def run_workflow(doing: Doing, args: Output) -> Output:
    """Start another workflow of the same user; it runs on its own."""
    if doing.run.depth >= MOST_DEPTH:
        raise Permanent(f"loop: {MOST_DEPTH} workflows have started one another")
    which = str(args["workflow"])
    other = workflow_actions.workflow(doing.tx, doing.run.user_id, which)
    if other is None:
        raise Permanent(f"there is no workflow {which[:100]}")
    if other.status != "active":
        raise Permanent(f"the workflow {which[:100]} is {other.status}")
    campaign: UUID | None = doing.scope.campaign["id"] if doing.scope.campaign else None
    ids = runs.add(
        doing.tx,
        [
            NewRun(
                other.id,
                doing.run.user_id,
                other.version,
                "workflow",
                cause=f"run:{doing.run.id}:{doing.path}",
                campaign_id=campaign,
                input={"input": args.get("input") or {}},
                depth=doing.run.depth + 1,
                parent_id=doing.run.id,
            )
        ],
    )
    return {"run": str(ids[0]) if ids else None, "workflow": str(other.id)}


def sync_products(doing: Doing, args: Output) -> Output:
    """Ask for the marketplace's feed, unless a sync waits, runs or has just ended."""
    found = product_syncs.lately(doing.tx, product_syncs.FEED, SYNC_SECONDS)
    if found is not None:
        return {"sync": str(found["id"]), "asked": False}
    try:
        asked = syncing.ask(
            doing.tx, product_syncs.FEED, settings().feed_url, is_forced=False, asked_by="workflow"
        )
    except Misused as error:
        raise Permanent(str(error)) from None
    return {"sync": str(asked), "asked": True}


_ACTIONS: dict[str, Callable[[Doing, Output], Output]] = {
    one.__name__: one
    for one in (
        set_campaign_status, create_content, publish_content, schedule_content, deliver_bonus,
        record_note, run_workflow, sync_products,
    )
}  # fmt: skip


def do(doing: Doing, action: str, args: Output) -> Output:
    """Do one; raises `Permanent` with what is wrong, and whatever PostgreSQL raises."""
    return _ACTIONS[action](doing, args)
