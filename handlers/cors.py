"""Cross-origin requests: allowed from the origins that the operator named, from nowhere else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

ANY_ORIGIN = "*"

_PREFLIGHT = {
    hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: (
        "Content-Type, Authorization, X-API-KEY, X-Entity-Id, X-Request-ID, Last-Event-ID, Prefer"
    ),
    hdrs.ACCESS_CONTROL_MAX_AGE: "86400",
}
_EXPOSED = (
    "X-Request-ID, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, ETag,"
    " RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Deprecation, Link"
)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True)
class Origins:
    """The origins whose pages may call, besides the server's own."""

    named: Collection[str] = ()

    def include(self, origin: str) -> bool:
        """Tell whether the operator named this origin."""
        return ANY_ORIGIN in self.named or origin in self.named

    def admit(self, origin: str, request: web.Request) -> bool:
        """Tell whether a page of this origin may make this request."""
        own = f"{request.scheme}://{request.host}".removesuffix(_DEFAULT_PORTS[request.scheme])
        return origin == own.lower() or self.include(origin)

    def mark(self, origin: str, response: web.StreamResponse) -> None:
        """Let the page that asked read the answer."""
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED
        response.headers[hdrs.VARY] = hdrs.ORIGIN
        # Cookies, which only a proxy would look at, go with names that somebody chose.
        if origin in self.named:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"


def allow_origins(origins: Origins) -> Middleware:
    """Return a middleware that answers preflights and marks answers for these origins."""

    @web.middleware
    async def allow(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or not origins.include(origin):
            return await handler(request)
        preflight = (
            request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        )
        response = web.Response(status=204, headers=_PREFLIGHT) if preflight else await handler(request)
        if not response.prepared:
            origins.mark(origin, response)
        return response

    return allow
