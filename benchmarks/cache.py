"""Where what a benchmark builds or installs is kept, outside of the source tree."""

from __future__ import annotations

import os
from pathlib import Path


def folder(name: str) -> Path:
    """Return a folder of this name in the user's cache, made if need be."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    found = Path(base) / "parley" / "bench" / name
    found.mkdir(parents=True, exist_ok=True)
    return found
