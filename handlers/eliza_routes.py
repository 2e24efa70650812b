"""The routes that exist for elizaOS's clients; docs/elizaos.md says how they differ from elizaOS's own."""

from __future__ import annotations

from handlers import answers, channels
from handlers.http import Route

_MESSAGING = "/api/messaging"

ELIZA_ROUTES: tuple[Route, ...] = (
    Route("GET", f"{_MESSAGING}/dm-channel", channels.find_or_create_dm, "Find or create the dm of a pair",
          answers.ChannelTwice),
)  # fmt: skip
