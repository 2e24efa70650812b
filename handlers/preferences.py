"""The header ``Prefer``: whether a client wants to wait for what its request sets off, and for how long.

What cannot be read of it is passed over, as RFC 7240 has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from aiohttp import web

from handlers.parsing import MAX_DIGITS

PREFER = "Prefer"
PREFERENCE_APPLIED = "Preference-Applied"


class Preferences(NamedTuple):
    """What a client prefers; ``seconds`` is None where it does not say for how long it would wait."""

    is_async: bool
    seconds: int | None

    def applied(self) -> dict[str, str]:
        """Return the header that tells the client that it has its way, if it has said what that is."""
        said = ["respond-async"] if self.is_async else []
        said += [] if self.seconds is None else [f"wait={self.seconds}"]
        return {PREFERENCE_APPLIED: ", ".join(said)} if said else {}


def read(request: web.Request, most: int) -> Preferences:
    """Return what the request prefers, where the wait is put within what is possible."""
    stated = dict(reversed(list(_stated(request))))  # of several the first counts
    wait = stated.get("wait", "")
    is_number = wait.isascii() and wait.isdigit() and len(wait) <= MAX_DIGITS
    return Preferences("respond-async" in stated, min(int(wait), most) if is_number else None)


def _stated(request: web.Request) -> Iterator[tuple[str, str]]:
    for header in request.headers.getall(PREFER, ()):
        for preference in header.split(","):
            name, _, value = preference.partition(";")[0].partition("=")
            yield name.strip().lower(), value.strip().strip('"')
