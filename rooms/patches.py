"""JSON objects that clients change field by field, and how large they may become by that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rooms import rules
from rooms.errors import ValidationFailed


def merged(known: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return the object as a JSON merge patch (RFC 7396) leaves it: null takes a field away."""
    kept = {name: value for name, value in known.items() if name not in patch}
    for name, value in patch.items():
        if isinstance(value, dict):
            before = known.get(name)
            kept[name] = merged(before if isinstance(before, dict) else {}, value)
        elif value is not None:
            kept[name] = value
    return kept


def check_size(
    what: str,
    changed: dict[str, Any],
    check: Callable[[dict[str, Any]], dict[str, Any]] = rules.raw_message,
) -> dict[str, Any]:
    """Return the object; raise ValidationFailed, which says of what, if it is too large or too deep."""
    try:
        return check(changed)
    except ValueError as error:
        raise ValidationFailed(f"{what} {error}") from error
