"""Triggers of events as they are read, once for each text they stand in."""

from functools import lru_cache

import orjson

from schemas import triggers
from schemas.triggers import EventTrigger, Fault, Malformed


@lru_cache(5_000)
def event_trigger(config: str) -> EventTrigger:
    """A trigger from its column, JSON as text; raises `Malformed`."""
    found = triggers.read("event", orjson.loads(config))
    if not isinstance(found, EventTrigger):
        raise Malformed([Fault(field="trigger", message="it is no event's")])
    return found
