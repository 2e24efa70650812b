"""The response cache: which run has answered a prompt, of agents whose replies depend on the prompt alone.

An agent says so in its settings. What is kept is the run, and nothing of what was said: whoever is
answered gets the reply as it is stored then, so one that was deleted is gone from here, too.
"""

from __future__ import annotations

import hashlib
import time
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from cachetools import TTLCache

from rooms.publishing import Event
from rooms.rows import Message, Run, Seat

SETTING = "RESPONSE_CACHE"
MAX_ENTRIES = 1_000
TTL_SECONDS = 3_600


class ResponseCache:
    """The runs of this node that have answered prompts, by :func:`key_of`; what was used last stays longest.

    Transactions read it and drop from it, and what they commit is kept between them: there is one at a time.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._run_ids: TTLCache[bytes, str] = TTLCache(MAX_ENTRIES, TTL_SECONDS, timer=self._now)

    def find(self, key: bytes) -> str | None:
        """Return the id of the run that has answered such a prompt within the hour."""
        return self._run_ids.get(key)

    def drop(self, key: bytes) -> None:
        """Forget who has answered such prompts."""
        self._run_ids.pop(key, None)

    def publish(self, events: Sequence[Event]) -> None:
        """Keep the runs that the committed events say to have answered a prompt."""
        for event in events:
            if event.kind == "complete" and isinstance(event.subject, Run) and event.subject.prompt_key:
                self._run_ids[event.subject.prompt_key] = event.subject.id

    def _now(self) -> float:
        return self.clock()


def key_of(message: Message, seat: Seat) -> bytes | None:
    """Return what the message has in common with all that the agent would answer alike.

    None means that the agent is to be asked: it has not said that it answers by the prompt alone, or the
    message has more to it than its text: who said it is an agent, it answers something, or brings a file.
    """
    settings = seat.cache_settings
    if settings is None or not _is_true(settings.get(SETTING)):
        return None
    if message.by_agent or message.parent_id is not None or message.attachments or message.approval:
        return None
    # A server's words stay within it. An agent with other settings is another one.
    parts = [message.server_id, seat.agent_id, settings, _normal(message.content)]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


def _normal(text: str) -> str:
    """Return the text as prompts are compared: white space does not matter, case may."""
    return " ".join(unicodedata.normalize("NFC", text).split())
