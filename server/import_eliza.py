"""The command that takes over what an elizaOS 1.x server has stored, and tells what it could not take."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from rooms import importing
from rooms.context import Context
from rooms.foreign import Fate, Outcome
from rooms.importing import AT_ONCE
from server.app import alone
from server.config import Settings, load
from server.database_commands import opened
from server.eliza_sources import Row, Source, opened_source
from server.terminal import UNCUT, DataDir, run

SHOWN = 5  # ids beside each reason

_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())

Take = Callable[[Context, Sequence[Mapping[str, Any]]], Awaitable[list[Outcome]]]


def import_eliza(
    source: Annotated[
        str, typer.Argument(help="elizaOS's database, postgresql://…, or its running server, http://…")
    ],
    api_key: Annotated[
        str | None, typer.Option(envvar="ELIZA_API_KEY", help="The running server's token, if it has one.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write all that was not taken, and why, into this file.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Copy servers, channels, participants and messages from an elizaOS 1.x server; no Parley may run."""
    run(_import(load(data_dir=data_dir), source, api_key, report))


async def _import(settings: Settings, address: str, api_key: str | None, report: Path | None) -> None:
    with alone(settings):
        async with opened(settings) as ctx, opened_source(address, api_key) as source:
            told = await _copy(ctx, source)
    told.print()
    if report is not None:
        told.write(report)


async def _copy(ctx: Context, source: Source) -> Report:
    """Copy everything, and show how far that is."""
    servers, agents, channels = await source.servers(), await source.agents(), await source.channels()
    with Progress(*_COLUMNS, console=Console(stderr=True)) as progress:
        copying = Copying(ctx, progress)
        await copying.take("servers", importing.take_servers, servers)
        await importing.take_agents(ctx, agents)
        await copying.take("channels", importing.take_channels, channels)
        copying.begin("messages", await source.count_messages())
        async for page in source.messages([channel["id"] for channel in channels]):
            await copying.go_on("messages", importing.take_messages, page)
    return copying.report


class Copying:
    """A copy under way: how far it is, and what came of it so far."""

    def __init__(self, ctx: Context, progress: Progress) -> None:
        self.report = Report()
        self._ctx = ctx
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def begin(self, kind: str, total: int | None) -> None:
        """Begin with things of a kind, so many of them if that is known."""
        self._tasks[kind] = self._progress.add_task(kind, total=total)

    async def go_on(self, kind: str, take: Take, rows: Sequence[Row]) -> None:
        """Copy some things of a kind in one commit."""
        self.report.note(kind, rows, await take(self._ctx, rows))
        self._progress.advance(self._tasks[kind], len(rows))

    async def take(self, kind: str, take: Take, rows: Sequence[Row]) -> None:
        """Copy all things of a kind."""
        self.begin(kind, len(rows))
        for start in range(0, len(rows), AT_ONCE):
            await self.go_on(kind, take, rows[start : start + AT_ONCE])


class Report:
    """What became of everything, and what was not taken."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[Fate]] = defaultdict(Counter)
        self._remarks: list[dict[str, str]] = []

    def note(self, kind: str, rows: Sequence[Row], outcomes: Sequence[Outcome]) -> None:
        """Note what became of some rows of a kind."""
        for row, outcome in zip(rows, outcomes, strict=True):
            self._counts[kind][outcome.fate] += 1
            self._remarks += [
                {"kind": kind, "id": str(row["id"]), "fate": outcome.fate.value, "why": remark}
                for remark in outcome.remarks
            ]

    def print(self) -> None:
        """Print the counts, and each reason with a few of those that it kept out."""
        table = Table(box=None)
        for heading in ("", *(fate.value for fate in Fate)):
            table.add_column(heading, justify="right" if heading else "left")
        for kind, counts in self._counts.items():
            table.add_row(kind, *(str(counts[fate]) for fate in Fate))
        console = Console(width=UNCUT, highlight=False)
        console.print(table)
        reasons: dict[tuple[str, str], list[str]] = defaultdict(list)
        for remark in self._remarks:
            reasons[remark["kind"], remark["why"]].append(remark["id"])
        for (kind, why), ids in reasons.items():
            more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
            console.print(Text(f"{kind}: {why}: {', '.join(ids[:SHOWN])}{more}"))

    def write(self, file: Path) -> None:
        """Write each thing that was not taken, and why, on a line of its own."""
        file.write_bytes(
            b"".join(orjson.dumps(remark, option=orjson.OPT_APPEND_NEWLINE) for remark in self._remarks)
        )
