"""Who said a message, and what beside it, in the words in which elizaOS's clients look for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rooms.bylines import AGENT_NAMES, DISPLAY_NAME, find_name
from rooms.rows import Message
from rooms.rules import is_link

_SHOWN_AS_DATA = ("data:image/", "data:audio/", "data:video/")


def display_name(author_id: str, name: str, details: Mapping[str, Any], *, by_agent: bool) -> str:
    """Return the registry's name; who has none there is called as a service says, or by the id."""
    return name if name != author_id else find_name(details, by_agent=by_agent) or name


def metadata(stored: Message) -> dict[str, Any]:
    """Return a message's metadata with what elizaOS's clients show of it in a history.

    Who the author is, and what is attached, is the server's to say, whatever the metadata claim.
    """
    name = display_name(stored.author_id, stored.author_name, stored.details, by_agent=stored.by_agent)
    # Of people, too, older messages and those that services pass on may state an agent's name.
    hidden = () if stored.by_agent else AGENT_NAMES
    return {
        **{word: value for word, value in stored.details.items() if word not in hidden},
        **thinking(stored.details, stored.raw_message),
        "isAgent": stored.by_agent,
        DISPLAY_NAME: name,
        **({"agentName": name} if stored.by_agent else {}),
        "attachments": attachments(stored.attachments, stored.details, stored.raw_message),
    }


def thinking(details: Mapping[str, Any], raw_message: Mapping[str, Any]) -> dict[str, Any]:
    """Return an agent's thought and actions, which stand in either place."""
    told = {word: details.get(word) or raw_message.get(word) for word in ("thought", "actions")}
    return {word: said for word, said in told.items() if said}


def attachments(
    own: list[dict[str, Any]], details: Mapping[str, Any], raw_message: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return a message's attachments, or what elizaOS's agents state beside it and may be shown."""
    stated = raw_message.get("attachments") or details.get("attachments")
    found = stated if isinstance(stated, list) else []
    return own or [one for one in found if isinstance(one, dict) and _may_be_shown(one.get("url"))]


def _may_be_shown(url: object) -> bool:
    # A link of another kind, javascript: say, would run in the page of whoever clicks on it.
    return isinstance(url, str) and (is_link(url) or url.startswith(_SHOWN_AS_DATA))
