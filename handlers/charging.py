"""Who sends a REST request, and which token buckets it takes from."""

from __future__ import annotations

from aiohttp import hdrs, web

from handlers.credentials import ANYBODY
from handlers.http import Gate, Route, dialect
from handlers.limits import Allowance, refuse_if_spent
from handlers.wire import Dialect
from rooms import tickets
from rooms.errors import AuthenticationFailed
from rooms.principals import Principal

LIMITED_PREFIX = "/api/messaging/"

_ALLOWANCE = web.RequestKey("allowance", Allowance)


async def admit(gate: Gate, request: web.Request, route: Route) -> Principal:
    """Return who sends the request; raise AuthenticationFailed, or RateLimited for an empty bucket."""
    if route.public:
        return await _admit_anybody(gate, request, route)
    if _is_poll(request, route):
        return await _admit_polling(gate, request, route)
    if route.streams:
        return await _admit_streaming(gate, request, route)
    return await _admit_asking(gate, request, route)


def headers(request: web.Request) -> dict[str, str]:
    """Return the rate limit headers for the answer to an admitted request."""
    allowance = request.get(_ALLOWANCE)
    return allowance.headers() if allowance else {}


def _is_poll(request: web.Request, route: Route) -> bool:
    """Tell whether it may be asked again and again: elizaOS's clients do that with all that they read."""
    if route.is_polled or (route.waits and "wait" in request.query):
        return True
    is_read = request.method == hdrs.METH_GET and request.path.startswith(LIMITED_PREFIX)
    return is_read and not route.follows and dialect(request) is Dialect.ELIZA


async def _admit_asking(gate: Gate, request: web.Request, route: Route) -> Principal:
    """Charge the address, and then the principal, who also pays for writes outside of messaging."""
    limited = request.path.startswith(LIMITED_PREFIX)
    if limited:
        await _charge_address(gate, request)
    principal = await _identify(gate, request, route)
    if limited or request.method != hdrs.METH_GET:
        _note(request, await gate.limits.charge_principal(principal))
    return principal


async def _admit_anybody(gate: Gate, request: web.Request, route: Route) -> Principal:
    """Let a public request in; one that may write is charged to its address."""
    if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD) and not route.guards_itself:
        await _charge_address(gate, request)
    return ANYBODY


async def _admit_polling(gate: Gate, request: web.Request, route: Route) -> Principal:
    """Charge for the first poll within a minute as for a request, and for each by the minute.

    Without a good credential each one is a request.
    """
    principal = await _identify_or_charge(gate, request, route)
    if await gate.limits.is_first_poll(principal):
        await _charge(gate, request, principal)
    _note(request, await gate.limits.charge_poll(principal))
    return principal


async def _admit_streaming(gate: Gate, request: web.Request, route: Route) -> Principal:
    """Let an agent go on with a reply for free; anything else is charged as a request."""
    principal = await _identify_or_charge(gate, request, route)
    if not gate.ctx.streams.is_free(principal, request.match_info["run_id"].lower()):
        await _charge(gate, request, principal)
    return principal


async def _identify_or_charge(gate: Gate, request: web.Request, route: Route) -> Principal:
    try:
        return await _identify(gate, request, route)
    except AuthenticationFailed:
        await _charge_address(gate, request)
        raise


async def _charge(gate: Gate, request: web.Request, principal: Principal) -> None:
    """Charge the address and the principal for a request."""
    await _charge_address(gate, request)
    _note(request, await gate.limits.charge_principal(principal))


async def _charge_address(gate: Gate, request: web.Request) -> None:
    _note(request, await gate.limits.charge_address(request.remote or ""))


async def _identify(gate: Gate, request: web.Request, route: Route) -> Principal:
    ticket = request.query.get("ticket") if route.follows else None
    if ticket is not None:
        return await tickets.redeem(gate.ctx, ticket)
    return await gate.credentials.of_request(request.headers)


def _note(request: web.Request, allowance: Allowance | None) -> None:
    """Keep, for the answer's headers, the allowance with the least left, or the one that refuses."""
    if allowance is None:
        return
    kept = request.get(_ALLOWANCE)
    if kept is None or allowance.retry_after or allowance.remaining < kept.remaining:
        request[_ALLOWANCE] = allowance
    refuse_if_spent(allowance)
