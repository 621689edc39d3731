"""Which work rows are whose: the queue that counts them, and the actor that looks after them."""

from typing import NamedTuple

from db import work
from db.bonus_claims import BonusClaim
from db.calls import Call
from db.deliveries import BonusDelivery
from db.gathers import WorkflowGather
from db.held import HeldEvent
from db.product_syncs import ProductSync
from db.publications import Publication
from db.purges import Purge
from db.runs import WorkflowRun
from db.webhooks import Webhook
from db.workflow_events import WorkflowEvent
from journal.streams import Kind
from workers.queues import JOURNAL_QUEUES, Queue


class Owed(NamedTuple):
    """Rows of one table, or those of one kind in it."""

    queue: Queue
    table: work.Table
    actor: str
    kind: str | None = None


# Held events of a kind that is not here wait for the release that knows it.
OWED = (
    Owed(JOURNAL_QUEUES[Kind.CLICKS], HeldEvent, "held.release", Kind.CLICKS),
    Owed(JOURNAL_QUEUES[Kind.CONVERSIONS], HeldEvent, "held.release_conversions", Kind.CONVERSIONS),
    Owed(JOURNAL_QUEUES[Kind.WEBHOOKS], HeldEvent, "held.release_webhooks", Kind.WEBHOOKS),
    Owed(Queue.BONUSES, BonusClaim, "bonuses.match"),
    Owed(Queue.BONUSES, BonusDelivery, "bonuses.link", "download"),
    Owed(Queue.BONUSES, BonusDelivery, "bonuses.mail", "email"),
    Owed(Queue.WEBHOOKS, Webhook, "webhooks.handle", "stripe"),
    Owed(Queue.WEBHOOKS, Webhook, "webhooks.redo", "clickbank"),
    Owed(Queue.MAINTENANCE, Webhook, "clickbank.reconcile", "clickbank_api"),
    Owed(Queue.CONTENT, Publication, "content.publish"),
    Owed(Queue.WORKFLOWS, WorkflowEvent, "workflows.match"),
    Owed(Queue.WORKFLOWS, WorkflowGather, "workflows.gather"),
    Owed(Queue.MAINTENANCE, Purge, "purges.run"),
    Owed(Queue.WORKFLOWS, WorkflowRun, "workflows.run"),
    Owed(Queue.WORKFLOWS, Call, "calls.send"),
    Owed(Queue.PRODUCTS, ProductSync, "products.sync"),
)


def of(queue: Queue) -> list[Owed]:
    """What is owed by the actors of one queue."""
    return [owed for owed in OWED if owed.queue == queue]
