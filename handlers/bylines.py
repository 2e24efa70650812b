"""Who said a message, in the words in which elizaOS's clients look for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rooms.rows import Message
from rooms.storing import DISPLAY_NAME


def display_name(author_id: str, name: str, details: Mapping[str, Any], *, by_agent: bool) -> str:
    """Return the registry's name; who has none there is called as a service says, or by the id."""
    if name != author_id:
        return name
    return str(details.get("agent_name" if by_agent else DISPLAY_NAME) or name)


def metadata(stored: Message) -> dict[str, Any]:
    """Return a message's metadata with what elizaOS's clients show of it in a history.

    Who the author is, and what is attached, is the server's to say, whatever the metadata claim.
    """
    name = display_name(stored.author_id, stored.author_name, stored.details, by_agent=stored.by_agent)
    thinking = {word: said for word, said in stored.raw_message.items() if word in ("thought", "actions")}
    return {
        **thinking,
        **stored.details,
        "isAgent": stored.by_agent,
        DISPLAY_NAME: name,
        **({"agentName": name} if stored.by_agent else {}),
        "attachments": stored.attachments,
    }
