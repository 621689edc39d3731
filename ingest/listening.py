"""The listening end of the doors: shared by several processes, and left without a visitor hurt.

What the kernel has queued on a socket that closes it resets, although other doors listen on the
same port. So a door that stops first turns newcomers away without a word, so that they knock
again a second later and find another door, lets in those who stand on the threshold, and only
then closes.
"""

import asyncio
import ctypes
import os
import socket
import struct
import sys
from collections.abc import Callable

BACKLOG = 4096
THRESHOLD_SECONDS = 0.25  # for handshakes that have begun: a packet's way around the world
LOCAL_THRESHOLD_SECONDS = 0.02  # on a loopback address, where they take microseconds

_SO_ATTACH_FILTER = 26
# Classic BPF over a TCP header: drop what has SYN and not ACK, let all else through.
_NO_NEWCOMERS = (
    (0x30, 0, 0, 13),  # load the byte with the flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK of it
    (0x15, 0, 1, 0x02),  # only SYN?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # pass
)


async def listen(make: Callable[[], asyncio.Protocol], host: str, port: int) -> asyncio.Server:
    """Listen on `host:port`; several processes may share one. Raises OSError when taken."""
    shared = hasattr(socket, "SO_REUSEPORT")
    return await asyncio.get_running_loop().create_server(
        make, host, port, backlog=BACKLOG, reuse_port=shared or None
    )


async def leave(listener: asyncio.AbstractServer) -> None:
    """Close the listener once nobody stands on its threshold any more."""
    sockets = getattr(listener, "sockets", ())
    if sys.platform == "linux":
        for each in sockets:
            _turn_newcomers_away(each.fileno())
    near = all(_is_loopback(each.getsockname()[0]) for each in sockets)
    await asyncio.sleep(LOCAL_THRESHOLD_SECONDS if near else THRESHOLD_SECONDS)
    listener.close()


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def _turn_newcomers_away(descriptor: int) -> None:
    """Have the kernel drop new connections unanswered; those that are made inherit no harm."""
    steps = [struct.pack("HBBI", *step) for step in _NO_NEWCOMERS]
    code = ctypes.create_string_buffer(b"".join(steps))
    program = struct.pack("HP", len(steps), ctypes.addressof(code))
    # Event loops hand out stand-ins that know no options.
    with socket.socket(fileno=os.dup(descriptor)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
