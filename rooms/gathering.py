"""Reads that wait for the database are answered together, by one look-up.

Nothing is cached: whoever asks while a look-up runs is served by the next one, which begins
afterwards. So an answer is never older than its question, and a thousand questions at once cost a
handful of look-ups.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from sqlalchemy import Connection

from rooms.database import Database
from rooms.errors import Unavailable

K = TypeVar("K")
V = TypeVar("V")

MAX_KEYS = 256  # of one look-up, so that nobody waits for thousands of others


class Gathering(Generic[K, V]):
    """One kind of look-up by key, shared by everybody who asks at the same time."""

    def __init__(
        self, database: Database, look_up: Callable[[Connection, Collection[K]], Mapping[K, V]]
    ) -> None:
        self._database = database
        self._look_up = look_up
        self._asked: dict[K, list[asyncio.Future[V | None]]] = {}
        self._answering: asyncio.Task[None] | None = None

    async def find(self, key: K) -> V | None:
        """Return what is stored under the key now, or None; raise what the look-up raises."""
        answer = asyncio.get_running_loop().create_future()
        self._asked.setdefault(key, []).append(answer)
        if self._answering is None:
            self._answering = asyncio.create_task(self._answer_all())
        found: V | None = await answer
        return found

    async def _answer_all(self) -> None:
        while self._asked:
            keys = list(itertools.islice(self._asked, MAX_KEYS))
            await self._answer({key: self._asked.pop(key) for key in keys})
        self._answering = None

    async def _answer(self, asked: Mapping[K, Sequence[asyncio.Future[V | None]]]) -> None:
        keys = list(asked)
        try:
            found = await self._database.read(lambda connection: self._look_up(connection, keys))
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is awaited
            if len(keys) > 1 and not isinstance(error, Unavailable):
                # One key that the database refuses must not cost the others their answers.
                for key in keys:
                    await self._answer({key: asked[key]})
                return
            for _key, answer in _not_gone(asked):
                answer.set_exception(error)
        else:
            for key, answer in _not_gone(asked):
                answer.set_result(found.get(key))


def _not_gone(
    asked: Mapping[K, Sequence[asyncio.Future[V | None]]],
) -> Iterator[tuple[K, asyncio.Future[V | None]]]:
    """Yield who still waits: whoever was cancelled has an outcome already."""
    for key, answers in asked.items():
        yield from ((key, answer) for answer in answers if not answer.done())
