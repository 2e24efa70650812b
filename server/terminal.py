"""How the commands run, and where they print."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from rooms.rules import SecretValue
from server.config import BadSetting

# Columns of a table that is there to be copied: a line may leave the screen, but nothing is cut.
UNCUT = 1_000

out = Console(highlight=False, soft_wrap=True)

_SECRET = TypeAdapter[str](SecretValue)

DataDir = Annotated[Path | None, typer.Option(help="Where SQLite keeps its file.")]


def moment(milliseconds: int) -> str:
    """Return a moment as tables show it, to the minute and in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def read_secrets(names: Sequence[str]) -> list[str]:
    """Return secrets as they are typed, unseen, or as the lines of standard input say them, in that order.

    One that is not there is empty. Raises BadSetting for what could not be kept, and for lines too many.
    """
    if sys.stdin.isatty():
        stated = [getpass.getpass(f"{name}: ") for name in names]
    else:
        stated = sys.stdin.read().splitlines()
    if len(stated) > len(names):
        raise BadSetting(f"Standard input has more lines than are read: {', '.join(names)}")
    values = [text.strip() for text in stated] + [""] * (len(names) - len(stated))
    for name, value in zip(names, values, strict=True):
        _check(name, value)
    return values


def _check(name: str, value: str) -> None:
    try:
        if value:
            _SECRET.validate_python(value)
    except ValidationError as error:
        why = error.errors(include_input=False)[0]["msg"].removeprefix("Value error, ")
        raise BadSetting(f"{name}: {why}") from None


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
