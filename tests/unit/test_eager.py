"""Coroutines that begin at once and become tasks only if they wait."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from server import eager

Begun = asyncio.Future[asyncio.Task[None] | None]


async def begin(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Start a coroutine where no task runs: in a callback of the loop, as a protocol does."""
    loop = asyncio.get_running_loop()
    begun: Begun = loop.create_future()

    def start() -> None:
        try:
            begun.set_result(eager.start(coroutine))
        except ValueError as error:
            begun.set_exception(error)

    loop.call_soon(start)
    return await begun


async def test_what_never_waits_becomes_no_task() -> None:
    """The coroutine has ended when its start returns."""
    done: list[str] = []

    async def work() -> None:
        done.append("done")

    assert await begin(work()) is None
    assert done == ["done"]


async def test_within_a_task_the_coroutine_gets_one_of_its_own() -> None:
    """Its timeouts and cancellations must not be those of the caller's task."""
    seen: list[object] = []

    async def work() -> None:
        seen.append(asyncio.current_task())

    task = eager.start(work())
    assert task is not None
    assert seen == []
    await task
    assert seen == [task]


async def test_what_waits_goes_on_in_a_task() -> None:
    """The first wait, whatever it is for, and all later ones reach the coroutine's own awaits."""
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    seen: list[object] = []

    async def work() -> None:
        seen.append(await future)
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    task = await begin(work())
    assert task is not None
    assert seen == []
    future.set_result("answer")
    await task
    assert seen == ["answer", task]


async def test_a_wait_that_fails_raises_inside() -> None:
    """What the awaited raises can be handled there, and what is not handled ends the task."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        with pytest.raises(LookupError):
            await future
        await asyncio.sleep(0)
        raise ValueError("the work's own")

    task = await begin(work())
    assert task is not None
    future.set_exception(LookupError())
    with pytest.raises(ValueError, match="own"):
        await task


async def test_the_task_can_be_cancelled() -> None:
    """A cancellation reaches the place that waits, which can clean up."""
    cleaned: list[str] = []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cleaned.append("cleaned")

    task = await begin(work())
    assert task is not None
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == ["cleaned"]


async def test_what_fails_at_once_raises_at_once() -> None:
    """There is no task that could keep the failure."""

    async def work() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        await begin(work())
