"""Answers of another company's API, whole or not at all: within a time, and within a size."""

import asyncio
from types import TracebackType
from typing import Any, NamedTuple

import httpx


class Limits(NamedTuple):
    """How long one answer may take, and how large it may be."""

    silent_seconds: float = 20.0
    whole_seconds: float = 120.0  # from the first byte sent to the last one come, drop by drop
    most_bytes: int = 32 * 1024 * 1024


class NoAnswer(Exception):
    """The connection broke, or the answer went beyond a limit; no text of it is a secret's."""

    def __init__(self, why: str, *, is_broken: bool) -> None:
        super().__init__(why)
        self.is_broken = is_broken  # so that asking again may help


class WholeAnswers:
    """Connections to one API, kept between questions; for one thread, which waits for each.

    Time is kept by an event loop of its own: a socket's timeout begins anew with every byte, and
    whoever sends them one by one would hold the thread for ever.
    """

    def __init__(self, limits: Limits, base_url: str = "", **headers: str) -> None:
        self._limits = limits
        self._runner = asyncio.Runner()
        self._client = httpx.AsyncClient(
            base_url=base_url, headers=headers, timeout=limits.silent_seconds
        )

    def __enter__(self) -> "WholeAnswers":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def ask(self, method: str, url: str, **question: Any) -> tuple[int, bytes]:
        """A status and a body; `question` as httpx takes it. Raises `NoAnswer`."""
        return self._runner.run(self._ask(method, url, question))

    async def _ask(self, method: str, url: str, question: dict[str, Any]) -> tuple[int, bytes]:
        body = bytearray()
        try:
            async with (
                asyncio.timeout(self._limits.whole_seconds),
                self._client.stream(method, url, **question) as answer,
            ):
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > self._limits.most_bytes:
                        raise NoAnswer("its answer has no end", is_broken=False)
        except TimeoutError:
            raise NoAnswer("its answer comes too slowly", is_broken=False) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(f"it is away ({type(error).__name__})", is_broken=True) from None
        return answer.status_code, bytes(body)
