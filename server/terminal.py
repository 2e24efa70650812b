"""How the commands run, and where they print."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

# Columns of a table that is there to be copied: a line may leave the screen, but nothing is cut.
UNCUT = 1_000

out = Console(highlight=False, soft_wrap=True)

DataDir = Annotated[Path | None, typer.Option(help="Where SQLite keeps its file.")]


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run the work of a command to its end."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(work)


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # not on Windows
        return None
    return uvloop.new_event_loop
