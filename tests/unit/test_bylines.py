"""What elizaOS's clients show of a message in a history."""

from typing import Any

import pytest

from handlers import wire
from handlers.wire import Dialect
from rooms.rules import is_link
from tests.unit.test_eliza import message

FILE = {"url": "https://example.org/a.png"}


def shown(**fields: Any) -> Any:
    """Return the metadata of a message with these fields, as elizaOS's clients are answered them."""
    return wire.message(message(**fields), Dialect.ELIZA)["metadata"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"isAgent": False, "authorDisplayName": "ann", "attachments": []}),
        (
            {"by_agent": True, "author_id": "bot", "author_name": "Helper"},
            {"isAgent": True, "authorDisplayName": "Helper", "agentName": "Helper", "attachments": []},
        ),
    ],
)
def test_the_author_is_named(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """By the registry's name, and as an agent if it is one."""
    assert shown(**fields) == expected


def test_what_the_server_knows_is_not_overridden() -> None:
    """Nobody passes for an agent, or for another, and no metadata break what clients show of attachments."""
    claims = {"isAgent": True, "authorDisplayName": "Root", "attachments": "none", "mood": "good"}
    found = shown(author_name="Ann", details=claims, attachments=[FILE])
    assert found == {"isAgent": False, "authorDisplayName": "Ann", "attachments": [FILE], "mood": "good"}


@pytest.mark.parametrize("place", ["details", "raw_message"])
def test_what_could_run_is_no_attachment(place: str) -> None:
    """What a message states beside it is shown if it is a file, and no script."""
    image = {"url": "data:image/png;base64,AA=="}
    bad = [{"url": url} for url in ("javascript:alert(1)", "data:text/html,x", "/media/../x", 5)]
    assert shown(**{place: {"attachments": [*bad, {}, FILE, image]}})["attachments"] == [FILE, image]


@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        ("https://example.org/a..b//c", True),
        ("/media/uploads/channels/a/b.png", True),
        ("/media/../api", False),
        ("/media/%2E./api", False),
        ("/media/.\t./api", False),
        ("/media/.\\..\\api", False),
        ("//example.org/a.png", False),
        ("javascript:alert(1)", False),
    ],
)
def test_a_path_of_a_file_leads_nowhere_else(url: str, is_good: bool) -> None:
    """However a browser reads it."""
    assert is_link(url) is is_good


def test_what_an_agent_thought_and_did_is_there() -> None:
    """Agents say it in either place; the metadata count."""
    raw = {"thought": "raw", "actions": ["REPLY"], "text": "hello"}
    found = shown(by_agent=True, raw_message=raw, details={"thought": "hm"})
    assert (found["thought"], found["actions"]) == ("hm", ["REPLY"])
    assert "text" not in found


def test_the_documented_dialect_has_the_metadata_as_they_are() -> None:
    """There they come back as they were sent."""
    details = {"isAgent": "perhaps"}
    assert wire.message(message(details=details), Dialect.SEED)["metadata"] == details
