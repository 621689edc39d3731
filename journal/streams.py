"""The journal's names: one stream per kind of event, its group, its counters."""

from enum import StrEnum

GROUP = "drain"


class Kind(StrEnum):
    """What the journal keeps apart: each kind is one stream, drained by its own queue."""

    CLICKS = "clicks"
    CONVERSIONS = "conversions"
    WEBHOOKS = "webhooks"
    CLICKS_BULK = "clicks-bulk"
    CONVERSIONS_BULK = "conversions-bulk"


# What accounts send beyond their share: the same kind in a stream of its own, drained after the
# others' by the same workers, so that what piles up there holds up nobody else.
BULK = {Kind.CLICKS: Kind.CLICKS_BULK, Kind.CONVERSIONS: Kind.CONVERSIONS_BULK}
_USUAL = {bulk: kind for kind, bulk in BULK.items()}


def usual(kind: Kind) -> Kind:
    """The kind that an event is of, whichever stream it came in."""
    return _USUAL.get(kind, kind)


def stream(kind: Kind) -> str:
    """The key of the stream; braces keep the journal's keys in one slot of a proxy."""
    return f"{{hopfleet:journal}}:{kind}"


def items_key(kind: Kind) -> str:
    """The key that counts the items waiting or in flight; moved with the entries, in one step."""
    return f"{{hopfleet:journal}}:{kind}:items"


PROBE_KEY = "{hopfleet:journal}:probe"

# Removes each entry from the group and the stream, and takes off the count only what this call
# removed: acknowledging twice changes nothing. KEYS: stream, items. ARGV: group, id, n, id, n, …
ACKNOWLEDGE = """
local gone = 0
for i = 2, #ARGV, 2 do
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then gone = gone + tonumber(ARGV[i + 1]) end
end
if gone > 0 then redis.call('DECRBY', KEYS[2], gone) end
return gone
"""

# A consumer's name disappears only when it holds nothing; asking and deleting are one step.
FORGET_CONSUMER = """
local held = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if #held > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
"""

# How many items the claimed entries hold; reads at most ARGV[2] of them.
IN_FLIGHT = """
local items = 0
for _, entry in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[2])) do
  local found = redis.call('XRANGE', KEYS[1], entry[1], entry[1])
  if found[1] then
    local fields = found[1][2]
    for i = 1, #fields, 2 do
      if fields[i] == 'n' then items = items + (tonumber(fields[i + 1]) or 0) end
    end
  end
end
return items
"""
