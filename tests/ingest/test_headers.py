"""Headers of strangers: what is remembered of them stays small."""

import tracemalloc

from base.clock import OffsetClock
from base.settings import Settings
from ingest.http import Request
from ingest.links import compiler
from ingest.responses import response
from ingest.shape import Shaper
from schemas.items import Door
from tests.ingest.serving import run, serving
from tests.ingest.talking import talk

VISITS = 2_000
MOST_BYTES = 20_000_000
ROW = {
    "tracking_id": "t", "campaign_id": "c", "user_id": "u", "settings": {}, "status": "active",
    "user_status": "active", "affiliate_link": "https://shop.example/", "account_fallback_url": "",
}  # fmt: skip


def test_ever_new_headers_of_the_largest_size_fill_no_memory() -> None:
    shaper = Shaper(Settings(), OffsetClock())
    link = compiler(None, False, frozenset())(ROW)

    def visited(request: Request) -> bytes:
        shaper.visit(request, link, Door.REDIRECT, "click", {})
        return response(204)

    async def test() -> None:
        async with serving(visited) as server, talk(server.port) as connection:
            for number in range(VISITS):
                connection.send(
                    b"GET / HTTP/1.1\r\nUser-Agent: %d%s\r\nReferer: https://%d.example/%s\r\n\r\n"
                    % (number, b"a" * 7_500, number, b"b" * 7_500)
                )
                assert (await connection.answer()).status == 204

    tracemalloc.start()
    try:
        run(test())
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < MOST_BYTES
