"""Names that a message's metadata state: what its author is called, and who may say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rooms.principals import Principal, Scope

DISPLAY_NAME = "authorDisplayName"  # what elizaOS's clients show, whoever wrote it there
AGENT_NAMES = ("agent_name", "agentName")  # what a service calls an agent; elizaOS's agents use the second


def find_name(metadata: Mapping[str, Any], *, by_agent: bool) -> str | None:
    """Return what the metadata call the author, or None: what agents are called says nothing of others."""
    words = (*AGENT_NAMES, DISPLAY_NAME) if by_agent else (DISPLAY_NAME,)
    stated = (metadata.get(word) for word in words)
    return next((name for name in stated if isinstance(name, str) and name), None)


def trusted(
    principal: Principal, metadata: dict[str, Any], author_name: str, *, by_agent: bool
) -> dict[str, Any]:
    """Return metadata with names that can be trusted: the registry's, unless a service states others."""
    registered = {"agent_name": author_name} if by_agent else {}
    if principal.may(Scope.MESSAGES_WRITE):
        return registered | metadata
    stated = {word: value for word, value in metadata.items() if word not in (DISPLAY_NAME, *AGENT_NAMES)}
    return stated | registered
