"""Questions to the database that only few visitors cause, asked in a thread of their own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import psycopg

from base.errors import StoreAway
from db.connection import Tx, transaction

T = TypeVar("T")

MOST_WAITING = 500
WAIT_SECONDS = 1.0
LIMIT_SECONDS = 3.0


class Asking:
    """One thread, so that a flood of questions holds one session; `ask` on the loop's thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="asking")
        self._waiting = 0

    async def ask(self, question: Callable[[Tx], T]) -> T:
        """The answer; raises `StoreAway` when there is none in time."""
        if self._waiting >= MOST_WAITING:
            raise StoreAway("Too many questions wait for the database.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, _answer, question)
        finally:
            self._waiting -= 1


def _answer(question: Callable[[Tx], T]) -> T:
    try:
        with transaction(wait_seconds=WAIT_SECONDS, limit_seconds=LIMIT_SECONDS) as tx:
            return question(tx)
    except psycopg.OperationalError as error:
        raise StoreAway("The database did not answer in time.") from error
