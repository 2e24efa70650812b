"""The routes that exist for elizaOS's clients; docs/elizaos.md says how they differ from elizaOS's own."""

from __future__ import annotations

from handlers.http import Route

ELIZA_ROUTES: tuple[Route, ...] = ()
