"""State machines that hypothesis drives over one running node."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from tests.running import Parley, running_parley

T = TypeVar("T")


class NodeMachine(RuleBasedStateMachine):
    """A state machine with a node of its own, which is verified in the end if everything could be begun."""

    _parley: Parley

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._has_begun = False  # whoever sets the stage says when that is done

    def teardown(self) -> None:
        """Verify what has come of it all."""
        try:
            if self._has_begun:
                self._run(self._verify())
        finally:
            self._run(self._stack.aclose())
            self._runner.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def _start_node(self) -> None:
        directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._parley = await self._stack.enter_async_context(
            running_parley(directory / "data", drain_seconds=0)
        )

    async def _verify(self) -> None:
        raise NotImplementedError
