"""Every actor; what a process imports to work: `dramatiq workers.fleet` does, too."""

import dramatiq.worker

from workers import (
    bonuses,
    clickbank,
    clickbank_api,
    clicks,
    content,
    conversions,
    held,
    hooks,
    stripe,
    webhooks,
)
from workers.bonuses import Postman
from workers.broker import broker
from workers.lifeline import Lifeline
from workers.maintenance import purges
from workers.orders import Orders
from workers.products import actors as products
from workers.tally import CountRuns
from workers.workflows import actors as workflows

# A broker that was restarted is found again within a second; dramatiq would sleep through three.
dramatiq.worker.CONSUMER_RESTART_DELAY_SECS = 0.5
# Nor does a thread that could not acknowledge keep still for five: its nudge is worth nothing.
dramatiq.worker.POST_PROCESS_MESSAGE_RETRY_DELAY_SECS = 1

broker.add_middleware(Orders())
broker.add_middleware(Lifeline())
broker.add_middleware(CountRuns())
broker.add_middleware(Postman())
broker.add_middleware(workflows.Caller())

__all__ = [
    "bonuses",
    "broker",
    "clickbank",
    "clickbank_api",
    "clicks",
    "content",
    "conversions",
    "held",
    "hooks",
    "products",
    "purges",
    "stripe",
    "webhooks",
    "workflows",
]
