"""The load generator in C: compiled where it is needed, run, and its report read.

A generator in Python would be slower than the server that it is to measure. The sources are in
``benchmarks/generator``; the program is kept in the user's cache, by what it was made of.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import cache
from benchmarks.failure import BenchmarkFailed

SOURCES = Path(__file__).parent / "generator"
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")

Argument = str | int | float | bool | Path


def compiled() -> Path:
    """Return the program, compiled now if its sources are not those of the last time."""
    sources = sorted(SOURCES.glob("*.[ch]"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    program = cache.folder("generator") / digest
    if not program.exists():
        compile_to(program)
    return program


def compile_to(program: Path, *more_flags: str) -> None:
    """Compile the generator; raise BenchmarkFailed without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise BenchmarkFailed("the load generator needs a C compiler, cc or gcc (Debian: gcc and libc6-dev)")
    # Under another name first, so that nobody ever runs half a program.
    unfinished = program.with_name(f"{program.name}.{os.getpid()}")
    sources = sorted(map(str, SOURCES.glob("*.c")))
    done = subprocess.run(  # noqa: S603 - the user's own compiler
        [compiler, *FLAGS, *more_flags, "-o", unfinished, *sources],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkFailed(f"the load generator does not compile:\n{done.stderr}")
    unfinished.rename(program)


def run(mode: str, arguments: Mapping[str, Argument]) -> dict[str, Any]:
    """Run the generator in one of its modes and return its report."""
    command: list[str | Path] = [compiled(), mode]
    for name, value in arguments.items():
        written = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        command += [f"--{name.replace('_', '-')}", written]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our program
    if done.returncode:
        raise BenchmarkFailed(done.stderr.strip() or f"the generator ended with status {done.returncode}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report
