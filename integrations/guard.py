"""The guard at the socket: what users have us call is looked up once, checked, and dialled.

The address that was checked is the one that is dialled, so that no name server can say
something else in between; TLS still asks for the host's own name.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

from httpcore import (
    AnyIOBackend,
    AsyncNetworkBackend,
    AsyncNetworkStream,
    ConnectError,
    ConnectTimeout,
)

from base.clock import steady
from base.errors import Permanent
from base.settings import Networks
from integrations.public import is_public, parsed

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# From a host and a port to the addresses it has; raises OSError when there are none.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

MOST_ADDRESSES = 8  # of one host that are dialled; who has ten thousand gets no more
MOST_LOOKUPS = 256  # at once; beyond, a host counts as one that does not answer
_USUAL_SECONDS = 10.0
_SLOW = "it did not answer in time"

_lookups = threading.BoundedSemaphore(MOST_LOOKUPS)


class Blocked(Permanent):
    """A host that leads nowhere we may go; the text says why, and names no address."""


async def system_addresses(host: str, port: int) -> Sequence[str]:
    """What this machine's resolver says, asked once, in a thread: it cannot be interrupted.

    A thread of its own: in a pool, a few slow name servers would hold up everybody.
    """
    if not _lookups.acquire(blocking=False):
        raise OSError("too many names are being looked up")
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def tell(found: list[str], error: OSError | UnicodeError | None) -> None:
        if answer.done():
            return  # nobody waits any more
        if error is not None:
            answer.set_exception(OSError("its name cannot be looked up"))
        else:
            answer.set_result(found)

    def look() -> None:
        found: list[str] = []
        failed: OSError | UnicodeError | None = None
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = [str(row[4][0]) for row in rows]
        except (OSError, UnicodeError) as error:
            failed = error
        finally:
            _lookups.release()
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, found, failed)

    threading.Thread(target=look, name="lookup", daemon=True).start()
    return await answer


class Connect(Protocol[T_co]):
    """Connects to one address within so many seconds; raises OSError."""

    def __call__(self, address: str, port: int, seconds: float, /) -> Awaitable[T_co]:
        """The connection."""


class Guard(AsyncNetworkBackend):
    """Opens connections to the internet, and to `allowed` networks, and to nothing else."""

    def __init__(self, allowed: Networks = (), resolve: Resolve = system_addresses) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._network = AnyIOBackend()

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be dialled, in the resolver's order.

        Raises `Blocked` when it has none of those, OSError when it has none at all.
        """
        literal = parsed(host.strip("[]"))
        found = [str(literal)] if literal is not None else await self._resolve(host, port)
        known = [address for text in dict.fromkeys(found) if (address := parsed(text)) is not None]
        if not known:
            raise OSError("it has no address")
        public = [str(one) for one in known if is_public(one, self._allowed)]
        if not public:
            raise Blocked("it leads into a private network: only the internet may be called")
        return public[:MOST_ADDRESSES]

    async def dial(self, host: str, port: int, seconds: float) -> socket.socket:
        """A connected socket to a host that may be dialled; raises `Blocked` and OSError."""
        return await self._first(host, port, seconds, _connected)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> AsyncNetworkStream:
        """Called by httpcore for each new connection; raises its errors, and `Blocked`."""
        seconds = _USUAL_SECONDS if timeout is None else timeout
        try:
            return await self._first(host, port, seconds, self._stream)
        except OSError as error:
            raise ConnectError(str(error)) from None

    async def _stream(self, address: str, port: int, seconds: float) -> AsyncNetworkStream:
        try:
            return await self._network.connect_tcp(address, port, seconds)
        except (ConnectError, ConnectTimeout) as error:
            raise OSError(str(error) or _SLOW) from None

    async def _first(self, host: str, port: int, seconds: float, connect: Connect[T]) -> T:
        """A connection to the first address that takes one, of those that may be dialled."""
        ends = steady() + seconds
        try:
            async with asyncio.timeout(seconds):
                found = await self.addresses(host, port)
        except TimeoutError:
            raise OSError("its name was not looked up in time") from None
        for number, address in enumerate(found):
            left = max(ends - steady(), 0.001)
            try:
                return await connect(address, port, left / (len(found) - number))
            except OSError:
                if number == len(found) - 1:
                    raise
        raise OSError("it has no address")

    async def connect_unix_socket(self, *_: object, **__: object) -> AsyncNetworkStream:
        """Never."""
        raise Blocked("there are no local sockets to call")

    async def sleep(self, seconds: float) -> None:
        """Called by httpcore between tries."""
        await asyncio.sleep(seconds)


async def _connected(address: str, port: int, seconds: float) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(made, (address, port))
    except TimeoutError:
        made.close()
        raise OSError(_SLOW) from None
    except BaseException:
        made.close()
        raise
    return made
