"""The web client's files, served from the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from aiohttp import web

_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain",
}
# Everything comes from this origin; nothing inline runs.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def static_root() -> Path:
    """Return the folder of the web client, in a checkout as in a wheel."""
    packaged = Path(str(files("server"))) / "static"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "static"


def add_assets(app: web.Application) -> None:
    """Serve every file of the web client under its own path, and the page at ``/``."""
    root = static_root()
    for path in sorted(root.rglob("*")):
        if path.suffix in _TYPES:
            app.router.add_get(f"/{path.relative_to(root).as_posix()}", _serve(path))
    app.router.add_get("/", _serve(root / "index.html"))


def _serve(path: Path) -> web.Handler:  # type: ignore[name-defined]
    headers = {
        "Content-Type": f"{_TYPES[path.suffix]}; charset=utf-8",
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }

    async def answer(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(path, headers=headers)

    return answer
