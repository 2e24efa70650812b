"""From bytes to a wire schema; what is wrong becomes one sentence."""

from __future__ import annotations

import datetime
import enum
import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails

from rooms.errors import ValidationFailed
from rooms.rules import DEFAULT_PAGE, MAX_PAGE

B = TypeVar("B", bound=BaseModel)
E = TypeVar("E", bound=enum.Enum)

MAX_DIGITS = 15  # fits every integer type on the way
BAD_PARAMETERS = "Invalid request parameters"

_JAVASCRIPT = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2} \d{2} \d{4} \d{2}:\d{2}:\d{2} GMT[+-]\d{4})(?: \(.{1,80}\))?", re.ASCII
)
# What came over a socket is Python's by then, and so would be the words.
_JSON_WORDS = {
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "list_type": "must be a valid array",
}
_PYDANTIC_COUNT = re.compile(r" after validation, not .*$")
_PYDANTIC_SUBJECT = re.compile(r"^(Input|String|List|Dictionary|Value) should ")


class Body(BaseModel):
    """A JSON object; fields that nobody documented are ignored."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)


def parse_json(body: type[B], raw: bytes) -> B:
    """Return the body; raise ValidationFailed if it is not JSON of the documented form."""
    try:
        return body.model_validate_json(raw)
    except ValidationError as error:
        raise _failure(error) from None


def parse(body: type[B], value: object) -> B:
    """Return a body that arrived as values already; raise ValidationFailed as for JSON."""
    try:
        return body.model_validate(value)
    except ValidationError as error:
        raise _failure(error) from None


def whole_number(query: Mapping[str, str], name: str, default: int, most: int | None = None) -> int:
    """Return a parameter, at most ``most``; without such a bound it must be of a sensible length."""
    text = query.get(name, str(default))
    is_number = text.isascii() and text.isdigit()
    if is_number and most is not None and len(text.lstrip("0")) > MAX_DIGITS:
        return most
    if not is_number or len(text) > MAX_DIGITS:
        raise ValidationFailed(
            f"Parameter '{name}' must be a whole number that is not negative",
            message=BAD_PARAMETERS,
        )
    return int(text) if most is None else min(int(text), most)


def page_size(query: Mapping[str, str], default: int = DEFAULT_PAGE, most: int = MAX_PAGE) -> int:
    """Return the parameter ``limit``, at most ``most``; raise ValidationFailed if it is below 1."""
    limit = whole_number(query, "limit", default, most)
    if limit < 1:
        raise ValidationFailed("Parameter 'limit' must be at least 1", message=BAD_PARAMETERS)
    return limit


def name(query: Mapping[str, str], parameter: str) -> str | None:
    """Return a parameter that names something, if it is there; raise ValidationFailed if nothing could."""
    text = query.get(parameter)
    if text is not None and not text.isprintable():
        raise ValidationFailed(f"Parameter '{parameter}' must be printable", message=BAD_PARAMETERS)
    return text


def one_of(kind: type[E], name: str, text: str) -> E:
    """Return what a parameter of that name says, as the member of an enumeration."""
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise ValidationFailed(f"Parameter '{name}' must be one of {known}", message=BAD_PARAMETERS) from None


def moment(text: str) -> int | None:
    """Return a time in ISO 8601, or as JavaScript prints one, as epoch milliseconds; or None."""
    try:
        found = _printed(text) or datetime.datetime.fromisoformat(text)
        # A time without an offset is UTC, as in every answer of this API.
        return int(found.replace(tzinfo=found.tzinfo or datetime.UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _stated_moment(value: object) -> object:
    found = moment(value) if isinstance(value, str) else value
    if type(found) is not int:
        raise ValueError("must be epoch milliseconds or an ISO 8601 time")
    return found


# A time in a body, as epoch milliseconds from then on.
Moment = Annotated[
    int,
    BeforeValidator(_stated_moment),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "format": "date-time"}]}),
]


def _printed(text: str) -> datetime.datetime | None:
    """Return a time that JavaScript has printed, as elizaOS's api-client puts a Date into an address."""
    found = _JAVASCRIPT.fullmatch(text)
    return datetime.datetime.strptime(found[1], "%b %d %Y %H:%M:%S GMT%z") if found else None


def _failure(error: ValidationError) -> ValidationFailed:
    return ValidationFailed(_sentence(error.errors(include_url=False, include_input=False)[0]))


def _sentence(error: ErrorDetails) -> str:
    field = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"Required field '{field}' is missing"
    if error["type"] == "json_invalid":
        return f"The body is not valid JSON: {error['ctx']['error']}"
    said = _JSON_WORDS.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    said = _PYDANTIC_COUNT.sub("", _PYDANTIC_SUBJECT.sub("must ", said))
    if not field:
        return "The body must be a JSON object" if error["type"] != "value_error" else said
    return f"Field '{field}' {said}"
