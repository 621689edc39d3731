"""The eight queues, each scaled on its own."""

from enum import StrEnum

from journal.streams import Kind


class Queue(StrEnum):
    """A queue's name, on the wire and on the command line."""

    CLICKS = "clicks"
    CONVERSIONS = "conversions"
    WEBHOOKS = "webhooks"
    BONUSES = "bonuses"
    WORKFLOWS = "workflows"
    CONTENT = "content"
    PRODUCTS = "products"
    MAINTENANCE = "maintenance"


JOURNAL_QUEUES = {
    Kind.CLICKS: Queue.CLICKS,
    Kind.CONVERSIONS: Queue.CONVERSIONS,
    Kind.WEBHOOKS: Queue.WEBHOOKS,
    Kind.CLICKS_BULK: Queue.CLICKS,
    Kind.CONVERSIONS_BULK: Queue.CONVERSIONS,
}
