"""Runs the official suites of the Engine.IO and Socket.IO protocols against Parley's transport.

The suites are part of the socketio/socket.io repository, in ``docs/engine.io-protocol/v4-test-suite``
and ``docs/socket.io-protocol/v5-test-suite``; they are not part of this one. Each is copied to a
temporary directory, its packages are installed there with npm, the address in it is changed to a free
port, and mocha runs it against the servers of ``echo.py``, which also says in what they differ from
Parley's own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web

from tests.suites import echo

MINUTES = 5.0
ADDRESS = "http://localhost:3000"

_RACE = (
    "the suite sends CLOSE and a poll side by side and wants the poll answered by a NOOP;"
    " when CLOSE comes first there is no session left to poll"
)
EXPLAINED = {"Engine.IO protocol close HTTP long-polling forcefully closes the session": _RACE} | {
    "Engine.IO protocol close HTTP long-polling should forcefully close the session": _RACE
}


@dataclass(frozen=True)
class Suite:
    """One of the suites: where it is, and what it is run against."""

    name: str
    folder: str
    app: Callable[[], web.Application]


SUITES = (
    Suite("Engine.IO", "docs/engine.io-protocol/v4-test-suite", echo.engine_app),
    Suite("Socket.IO", "docs/socket.io-protocol/v5-test-suite", echo.socket_app),
)


class Unusable(Exception):
    """A suite cannot be run as it is."""


async def run(suite: Suite, root: Path) -> bool:
    """Run one suite, print what came of it, and tell whether every failure is an explained one."""
    with tempfile.TemporaryDirectory(prefix="parley-suite-") as place:
        copy = Path(place) / "suite"
        shutil.copytree(root / suite.folder, copy, ignore=shutil.ignore_patterns("node_modules"))
        is_locked = (copy / "package-lock.json").exists()
        await _npm("ci" if is_locked else "install", copy)
        async with echo.listening(suite.app()) as port:
            _aim(copy / "test-suite.js", port)
            report = await _mocha(copy)
    return _tell(suite, report)


def _aim(script: Path, port: int) -> None:
    text = script.read_text()
    if ADDRESS not in text:
        raise Unusable(f"{script.name} does not speak to {ADDRESS}")
    script.write_text(text.replace(ADDRESS, f"http://127.0.0.1:{port}"))


async def _npm(command: str, folder: Path) -> None:
    status, said = await _finish(["npm", command, "--silent", "--no-audit", "--no-fund"], folder)
    if status:
        raise Unusable(f"npm {command} failed: {said.strip()}")


async def _mocha(folder: Path) -> Any:
    """Return mocha's report; its status only says how many cases failed."""
    report = folder / "report.json"
    options = ["--exit", "--reporter", "json", "--reporter-option", f"output={report}"]
    _, said = await _finish(["node_modules/.bin/mocha", *options, "test-suite.js"], folder)
    if not report.exists():
        raise Unusable(f"mocha wrote no report: {said.strip()}")
    return json.loads(report.read_text())


async def _finish(command: list[str], folder: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), MINUTES * 60)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise Unusable(f"{command[0]} did not end within {MINUTES:.0f} minutes") from None
    assert process.returncode is not None
    return process.returncode, said.decode()


def _tell(suite: Suite, report: Any) -> bool:
    """Print the counts and the failures, and tell whether the suite counts as passed."""
    stats = report["stats"]
    print(f"{suite.name}: {stats['passes']} of {stats['tests']} passed")
    unexplained = 0
    for failure in report["failures"]:
        title, error = failure["fullTitle"], failure["err"].get("message", "")
        reason = EXPLAINED.get(title)
        unexplained += reason is None
        print(f"  {'failed, explained' if reason else 'FAILED'}: {title}")
        print(f"    {reason or error}")
    is_whole = stats["passes"] + stats["failures"] == stats["tests"] > 0
    if not is_whole:
        print("  FAILED: some cases did not run")
    return is_whole and not unexplained


async def run_all(root: Path) -> bool:
    """Run both suites, one after the other, and tell whether both passed."""
    return all([await run(suite, root) for suite in SUITES])


def main() -> int:
    """Read the command line, and return the status to end with."""
    parser = argparse.ArgumentParser(prog="scripts/suites", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--suites", metavar="DIR", type=Path, required=True, help="a checkout of socket.io")
    root = parser.parse_args().suites
    missing = [suite.folder for suite in SUITES if not (root / suite.folder / "test-suite.js").is_file()]
    if missing:
        parser.error(f"{root} has no {' and no '.join(missing)}")
    if shutil.which("npm") is None:
        parser.error("npm is missing (Debian: npm)")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return 0 if runner.run(run_all(root)) else 1
    except Unusable as problem:
        print(f"scripts/suites: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
