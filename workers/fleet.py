"""Every actor; what a process imports to work: `dramatiq workers.fleet` does, too."""

from workers import clicks, conversions, held
from workers.broker import broker
from workers.lifeline import Lifeline
from workers.maintenance import purges

broker.add_middleware(Lifeline())

__all__ = ["broker", "clicks", "conversions", "held", "purges"]
