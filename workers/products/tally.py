"""What a sync that goes page by page has counted, kept with its row at every page."""

from db import product_syncs
from db.connection import Tx, transaction
from db.product_syncs import Row
from workers.products.keeping import Keeping, LeaseLost

_LIMIT_SECONDS = 60.0
_COUNTED = ("seen", "inserted", "updated", "unchanged", "listings")


class Tally:
    """The counts of one sync; whoever goes on with it begins with what its row has."""

    def __init__(self, row: Row, keeping: Keeping) -> None:
        self.sync_id: int = row["id"]
        self._keeping = keeping
        self.asked = 0
        self.listings: int = row["listings"] or 0
        self._counts = {name: row[name] or 0 for name in _COUNTED}
        self._left = 0
        self._about: str | None = None

    def count(self, seen: int, inserted: int, updated: int, unchanged: int) -> None:
        """Add what became of products that were told."""
        for name, more in zip(_COUNTED, (seen, inserted, updated, unchanged), strict=False):
            self._counts[name] += int(more)

    @property
    def has_seen(self) -> bool:
        """Whether anything was told of any product."""
        return self._counts["seen"] > 0

    def leave(self, questions: int, why: str) -> None:
        """So many questions are left for the next run."""
        self._left += questions
        self._about = why

    def note(self, tx: Tx) -> None:
        """Keep the counts in the page's own transaction; raises `LeaseLost`."""
        self._note(tx, **self._counts | {"listings": self.listings})

    def end(self, about: str | None) -> None:
        """The sync is done; `about` is what people should know of it."""
        with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
            self._note(
                tx, **self._counts | {"listings": self.listings}, missing=0, unasked=self._left,
                stage="applied", state="done", outcome="applied", lease_until=None,
                done_share=None, last_error=about or self._about,
                finished_at=product_syncs.now(tx),
            )  # fmt: skip

    def _note(self, tx: Tx, **columns: object) -> None:
        if not product_syncs.note(tx, self.sync_id, self._keeping.attempts, **columns):
            raise LeaseLost("another process has taken the sync over")
