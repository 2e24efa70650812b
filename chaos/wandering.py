"""Participants who are let into rooms and put out of them, so that not everybody may see everything."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chaos.site import Site

PAUSE_SECONDS = 0.3

_MISSING = "RESOURCE_NOT_FOUND"  # who has left already has left


class Usher:
    """Moves the wanderers, one after the other."""

    def __init__(self, site: Site, wanderers: Sequence[str]) -> None:
        self.is_over = False
        self._site = site
        self._wanderers = wanderers

    async def run(self) -> None:
        """Let somebody in or out now and then, until ``is_over``."""
        dice = self._site.dice
        while not self.is_over and self._wanderers:
            who, room = dice.choice(self._wanderers), dice.choice(self._site.rooms)
            if dice.random() < 0.5:
                await self._ask("POST", f"/channels/{room}/participants", {"userId": who})
            else:
                await self._ask("DELETE", f"/channels/{room}/participants/{who}")
            await asyncio.sleep(dice.uniform(0, PAUSE_SECONDS))

    async def _ask(self, method: str, path: str, body: object = None) -> None:
        site = self._site
        await site.until_answered(lambda: site.ask(method, path, site.keys.service, body), will_do=_MISSING)
