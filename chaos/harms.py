"""What is done to a node and its network.

Each harm returns when its cause is gone, and from when on that was so: for a killed process that is the
kill itself, as nothing but its restart is in the way then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chaos.failure import ChaosFailed
from chaos.site import Site

STALL_SECONDS = (0.2, 5.0)  # shorter and longer than it takes to notice one
SLOW_SECONDS = 2.0
SLOW_BYTES = 8_000.0  # per second
CUT_CHANCE = 0.6
FULL_BYTES = 4_096
FULL_SECONDS = 10.0  # to notice it
FULL_HOLD_SECONDS = 0.5
KILL_CHANCE = 0.3
RETURNING_SECONDS = 0.4
HOUR = 3_600


async def kill(site: Site) -> float:
    """Kill the process and start it again; sometimes once more, while everybody comes back."""
    if site.dice.random() < KILL_CHANCE:
        await site.node.kill()
        await site.node.start()
        await asyncio.sleep(site.dice.uniform(0, RETURNING_SECONDS))
    struck = time.monotonic()
    await site.node.kill()
    await site.node.start()
    return struck


async def drain(site: Site) -> float:
    """End the process as an operator does and start it again."""
    struck = time.monotonic()
    await site.end_node()
    await site.node.start()
    return struck


async def cut(site: Site) -> float:
    """Reset most connections, on both sides."""
    site.proxy.cut(CUT_CHANCE, site.dice)
    return time.monotonic()


async def stall(site: Site) -> float:
    """Let nothing through for a while, and then everything."""
    site.proxy.stall()
    await asyncio.sleep(site.dice.uniform(*STALL_SECONDS))
    site.proxy.flow()
    return time.monotonic()


async def slow(site: Site) -> float:
    """Let little through for a while, and cut some who wait."""
    site.proxy.bytes_per_second = SLOW_BYTES
    await asyncio.sleep(SLOW_SECONDS)
    site.proxy.cut(CUT_CHANCE / 2, site.dice)
    site.proxy.bytes_per_second = None
    return time.monotonic()


async def fill_disk(site: Site) -> float:
    """Let the process write nothing more until it has refused somebody for that; sometimes kill it then."""
    site.refused.clear()
    site.node.limit_files(FULL_BYTES)
    try:
        await asyncio.wait_for(site.refused.wait(), FULL_SECONDS)
    except TimeoutError:
        site.surprises.append(f"nobody was refused although the disk was full for {FULL_SECONDS:g} s")
    await asyncio.sleep(site.dice.uniform(0, FULL_HOLD_SECONDS))
    if site.dice.random() < KILL_CHANCE:
        return await kill(site)  # the next process may write
    site.node.limit_files(None)
    return time.monotonic()


async def jump(site: Site) -> float:
    """Put the node's clock an hour forward, back, or right, and let everybody come back."""
    site.node.clock.write_text(f"{site.dice.choice((-HOUR, 0, HOUR)):+d}\n")
    site.proxy.cut(1, site.dice)
    return time.monotonic()


@dataclass(frozen=True, slots=True)
class Harm:
    """A harm, and what the node's environment needs for it."""

    name: str
    strike: Callable[[Site], Awaitable[float]]
    environment: Callable[[Path], Mapping[str, str]] = field(default=lambda _clock: {})


def find_libfaketime() -> Path | None:
    """Return the library that changes a process's clock, from where Debian's package keeps it."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def _under_libfaketime(clock: Path) -> Mapping[str, str]:
    """Return the environment of a process whose clock can be changed; raise ChaosFailed if it cannot."""
    library = find_libfaketime()
    if library is None:
        raise ChaosFailed("the clock cannot be changed without libfaketime (Debian: libfaketime)")
    clock.write_text("+0\n")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


HARMS = {
    harm.name: harm
    for harm in (
        Harm("kill", kill),
        Harm("drain", drain),
        Harm("cut", cut),
        Harm("stall", stall),
        Harm("slow", slow),
        Harm("disk", fill_disk),
        Harm("clock", jump, _under_libfaketime),
    )
}
