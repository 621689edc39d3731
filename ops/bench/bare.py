"""The limit of the doors: Hopfleet's own HTTP server, answering 302 and keeping nothing."""

import asyncio
import signal
import sys

import uvloop

from ingest import http
from ingest.responses import response

# As long as a real answer, so that the network's share is the same.
_HEADERS = (
    b"Location: https://hop.clickbank.net/?affiliate=bench&vendor=widgets"
    b"&extclid=01890a5d1c2b7000800000000000abcd\r\n"
    b"X-Click-Id: 01890a5d1c2b7000800000000000abcd\r\n"
    b"Cache-Control: no-store\r\n"
)


def _redirect(_: http.Request) -> bytes:
    return response(302, _HEADERS)


async def _run(port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await http.serve(_redirect, "127.0.0.1", port)
    await stop.wait()
    await server.stop()


if __name__ == "__main__":
    uvloop.run(_run(int(sys.argv[1])))
