"""Deadlines that are equally long: each once, in order, never early, from one timer."""

import asyncio
from typing import Any

import pytest

from server.heartbeats import Deadlines

PATIENCE = 10.0


async def reached(due: list[Any], count: int) -> None:
    """Wait until so many deadlines have come."""
    async with asyncio.timeout(PATIENCE):
        while len(due) < count:  # noqa: ASYNC110 - what is tested is the timer itself
            await asyncio.sleep(0.005)


async def test_many_fall_due_once_and_in_order() -> None:
    """Ten thousand deadlines come in the order in which they began, none early, none twice."""
    loop = asyncio.get_running_loop()
    due: list[tuple[int, float]] = []
    deadlines: Deadlines[int] = Deadlines(0.05, lambda subject: due.append((subject, loop.time())))
    began = []
    for number in range(10_000):
        began.append(loop.time())
        deadlines.add(number)
        if number % 1_000 == 0:
            await asyncio.sleep(0)
    await reached(due, 10_000)
    assert [subject for subject, _ in due] == list(range(10_000))
    assert all(at - begin > 0.049 for (_, at), begin in zip(due, began, strict=True))
    await asyncio.sleep(0)
    assert len(due) == 10_000


async def test_any_number_of_deadlines_is_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand deadlines ask the loop for one timer."""
    loop = asyncio.get_running_loop()
    asked: list[float] = []
    call_at = loop.call_at

    def note(when: float, *arguments: Any, **options: Any) -> asyncio.TimerHandle:
        asked.append(when)
        return call_at(when, *arguments, **options)

    deadlines: Deadlines[int] = Deadlines(60, lambda _: None)
    monkeypatch.setattr(loop, "call_at", note)
    for number in range(1_000):
        deadlines.add(number)
    monkeypatch.undo()
    assert len(asked) == 1
    deadlines.stop()


async def test_a_deadline_may_begin_while_another_falls_due() -> None:
    """What is added by whoever is told comes later, and each of it once."""
    due: list[int] = []

    def again(subject: int) -> None:
        due.append(subject)
        if subject < 20:
            deadlines.add(subject + 10)

    deadlines: Deadlines[int] = Deadlines(0.01, again)
    for number in range(10):
        deadlines.add(number)
    await reached(due, 30)
    assert due == list(range(30))


async def test_one_that_fails_does_not_stop_the_others() -> None:
    """Whoever raises when it is told, the others are told all the same, and the loop hears of it."""
    due: list[int] = []
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))

    def tell(subject: int) -> None:
        if subject == 1:
            raise ValueError("one")
        due.append(subject)

    deadlines: Deadlines[int] = Deadlines(0.01, tell)
    for number in range(4):
        deadlines.add(number)
    await reached(due, 3)
    assert due == [0, 2, 3]
    assert [str(context["exception"]) for context in failures] == ["one"]


async def test_nothing_falls_due_after_a_stop() -> None:
    """Stopped deadlines are forgotten; one that begins later comes."""
    due: list[str] = []
    deadlines: Deadlines[str] = Deadlines(0.01, due.append)
    deadlines.add("before")
    deadlines.stop()
    deadlines.add("after")
    await reached(due, 1)
    assert due == ["after"]


async def test_whoever_is_told_may_stop_the_rest() -> None:
    """A stop in the middle of a run leaves the rest untold."""
    due: list[int] = []

    def tell(subject: int) -> None:
        due.append(subject)
        if subject == 1:
            deadlines.stop()

    deadlines: Deadlines[int] = Deadlines(0.01, tell)
    for number in range(4):
        deadlines.add(number)
    await reached(due, 2)
    deadlines.add(9)
    await reached(due, 3)
    assert due == [0, 1, 9]
