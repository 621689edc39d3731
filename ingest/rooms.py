"""What a door of its own file may use of the process it stands in."""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from base.clock import OffsetClock
from base.settings import Settings
from ingest.asking import Asking
from ingest.http import Request
from ingest.keeper import Keeper
from ingest.known import Known
from ingest.limits import Limits
from ingest.links import Integration, Link
from ingest.recorder import Recorder
from ingest.shape import Shaper
from journal.streams import Kind
from schemas.items import Item


class Rooms(Protocol):
    """The doors of one process, as `ingest_api.Doors` holds them."""

    settings: Settings
    clock: OffsetClock
    recorder: Recorder
    links: Known[Link]
    integrations: Known[Integration]
    keeper: Keeper
    shaper: Shaper
    counts: Counter[str]
    limits: Limits
    asking: Asking

    def stream(self, request: Request, item: Item) -> Kind | None:
        """Where a visit is kept; None when it is beyond a limit."""
        ...

    def look_up(
        self,
        request: Request,
        tracking_id: str,
        go_on: Callable[[Link | None], bytes | None],
        unknown: Callable[[], bytes],
    ) -> bytes | None:
        """Go on with a link, now or once it was looked up; `unknown` when it cannot be."""
        ...

    def later(self, request: Request, coroutine: Coroutine[Any, Any, bytes | None]) -> None:
        """Answer with what the coroutine returns, if anything, once it is done."""
        ...
