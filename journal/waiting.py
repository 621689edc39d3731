"""What waits in the journal, batch by batch, without the events themselves: for the audit."""

from typing import Any, NamedTuple

from journal.claims import client, errors
from journal.streams import Kind, stream

PAGE = 50  # entries a script reads at once: it holds their bodies meanwhile, and the server
MOST_PAGES = 2_000

# Of each entry its place and the fields named; the bodies stay where they are.
_PROJECT = """
local out = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])) do
  local of = {}
  for i = 1, #entry[2], 2 do of[entry[2][i]] = entry[2][i + 1] end
  out[#out + 1] = {entry[1], of['id'] or '', of['n'] or '0', of['d'] or ''}
end
return out
"""


class Waiting(NamedTuple):
    """A batch in the journal, claimed or not: its id, its items, and they by door."""

    id: str
    items: int
    doors: str


def waiting(kind: Kind, most_pages: int = MOST_PAGES) -> tuple[list[Waiting], bool]:
    """The first 100,000 batches of a stream, and whether that is all; raises `StoreAway`."""
    found: list[Waiting] = []
    after = "-"
    with errors():
        project = client().register_script(_PROJECT)
        for _ in range(most_pages):
            page: Any = project(keys=[stream(kind)], args=[after, PAGE])
            found += [
                Waiting(
                    id_.decode("ascii", "replace"),
                    int(count) if count.isdigit() else 0,
                    doors.decode("ascii", "replace"),
                )
                for _, id_, count, doors in page
            ]
            if len(page) < PAGE:
                return found, True
            after = "(" + page[-1][0].decode()
    return found, False
