"""From bytes to a wire schema; what is wrong becomes one sentence."""

from __future__ import annotations

import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rooms.errors import ValidationFailed

B = TypeVar("B", bound=BaseModel)

_PYDANTIC_SUBJECT = re.compile(r"^(Input|String|List|Dictionary|Value) should ")


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


def _failure(error: ValidationError) -> ValidationFailed:
    return ValidationFailed(_sentence(error.errors(include_url=False, include_input=False)[0]))


def _sentence(error: ErrorDetails) -> str:
    field = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"Required field '{field}' is missing"
    if error["type"] == "json_invalid":
        return f"The body is not valid JSON: {error['ctx']['error']}"
    said = error["msg"].removeprefix("Value error, ")
    said = _PYDANTIC_SUBJECT.sub("must ", said)
    if not field:
        return "The body must be a JSON object" if error["type"] != "value_error" else said
    return f"Field '{field}' {said}"
