"""The documentation names everything that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from handlers import events
from handlers.envelope import STATUS
from handlers.routes import ALL_ROUTES
from server.cli import app, keys_app
from server.config import Settings
from server.database_commands import app as database_app
from server.platform_commands import app as platforms_app
from server.secret_commands import app as secrets_app

DOCS = Path(__file__).parent.parent / "docs"
OF_ROUTES = ("api.md", "agents.md", "secrets.md", "platforms.md", "elizaos.md")


def _read(name: str) -> str:
    return (DOCS / name).read_text()


def _variables() -> list[str]:
    names: list[str] = []
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        choices = getattr(alias, "choices", None)
        names += [str(choice) for choice in choices] if choices else [f"PARLEY_{name.upper()}"]
    return names


@pytest.mark.parametrize("variable", _variables())
def test_every_setting_is_documented(variable: str) -> None:
    """Each environment variable that is read has a place in docs/settings.md."""
    assert f"`{variable}`" in _read("settings.md")


@pytest.mark.parametrize("route", ALL_ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_documented(route: object) -> None:
    """Each route of the tables has a place on one of the pages about requests."""
    pages = [_read(name) for name in OF_ROUTES]
    assert f"{route.method} {route.path}`" in "".join(pages)  # type: ignore[attr-defined]


@pytest.mark.parametrize("event", events.EVENTS)
def test_every_native_event_is_documented(event: str) -> None:
    """Each event that clients may send has a place in docs/api.md."""
    assert f"| `{event}` |" in _read("api.md")


@pytest.mark.parametrize("error", STATUS, ids=lambda error: error.code)
def test_every_error_code_is_documented(error: object) -> None:
    """Each error code stands with its status in docs/api.md."""
    row = re.compile(rf"`{error.code}`.*\| {STATUS[error]}")  # type: ignore[attr-defined,index]
    assert row.search(_read("api.md"))


def test_every_command_is_documented() -> None:
    """Each command of the command line has a place in docs/settings.md."""
    registered = [*app.registered_commands, *database_app.registered_commands]
    commands = [
        f"parley {command.callback.__name__.replace('_', '-')}" for command in registered if command.callback
    ]
    groups = {"keys": keys_app, "secrets": secrets_app, "platforms": platforms_app}
    for name, group in groups.items():
        commands += [f"parley {name} {command.name}" for command in group.registered_commands]
    missing = [command for command in commands if f"`{command}`" not in _read("settings.md")]
    assert missing == []


@pytest.mark.parametrize(
    ("path", "name"), re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", _read("elizaos.md"))
)
def test_what_the_page_about_elizaos_claims_is_tested(path: str, name: str) -> None:
    """Each test that docs/elizaos.md names exists."""
    assert f"def {name}(" in (DOCS.parent / path).read_text()


def test_each_weakness_of_the_original_has_its_test() -> None:
    """All that were found are in the list of docs/elizaos.md, and none without a test."""
    section = _read("elizaos.md").partition("## Weaknesses of the original")[2]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 30
    assert [row for row in rows if "`tests/" not in row.split(" | ")[2]] == []


def test_the_documentation_refers_to_files_that_exist() -> None:
    """Each path of the source tree that a page names is there."""
    root = DOCS.parent
    named = {
        path
        for page in [*DOCS.rglob("*.md"), root / "README.md"]
        for path in re.findall(
            r"`((?:rooms|handlers|server|tests|scripts|docs|static)/[\w./-]+)`", page.read_text()
        )
    }
    assert [path for path in sorted(named) if not (root / path).exists()] == []
