"""What elizaOS's server does and Parley does not: each path answers in a sentence why, and what to do.

They ask for a credential like every other route, and look at nothing else of a request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from handlers.envelope import STATUS
from handlers.http import Call, Route
from rooms.errors import NotOffered, ParleyError, PermissionDenied

_AUDIO = "/api/audio/{agent_id}"
_NO_SPEECH = NotOffered("Parley neither hears nor speaks; upload the recording, and let an agent do that")


def _refuse(error: ParleyError) -> Callable[[Call[Any]], Awaitable[Any]]:
    async def refuse(_call: Call[Any]) -> NoReturn:
        raise error

    return refuse


def _route(method: str, path: str, error: ParleyError) -> Route:
    return Route(method, path, _refuse(error), error.details, None, status=STATUS[type(error)])


REFUSED_ROUTES = (
    _route("POST", "/api/server/stop", PermissionDenied(
        "Nobody stops the server over HTTP; its operator ends the process with SIGTERM")),
    _route("POST", "/api/system/env/local", PermissionDenied(
        "Nobody changes a server's environment over HTTP; its operator sets variables and starts it again")),
    _route("DELETE", "/api/agents/{agent_id}/logs/{log_id}", PermissionDenied(
        "An agent's log tells what its runs were; entries of it cannot be deleted")),
    _route("POST", f"{_AUDIO}/transcriptions", _NO_SPEECH),
    _route("POST", f"{_AUDIO}/speech", _NO_SPEECH),
    _route("POST", f"{_AUDIO}/speech/generate", _NO_SPEECH),
    _route("POST", f"{_AUDIO}/speech/conversation", _NO_SPEECH),
    _route("POST", f"{_AUDIO}/audio-messages", _NO_SPEECH),
    _route("POST", f"{_AUDIO}/audio-messages/synthesize", _NO_SPEECH),
)  # fmt: skip
