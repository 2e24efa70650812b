"""The files of a web client: Parley's own, from the package, or elizaOS's, which an operator has unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".map": "application/json",
    ".json": "application/json",
    ".svg": "image/svg+xml; charset=utf-8",
    ".png": "image/png",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
# Everything comes from this origin; nothing inline runs.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# elizaOS's client compiles code and writes styles, and shows images and videos that messages point to.
_ELIZA_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob: https:; media-src 'self' data: blob: https:; font-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_REVALIDATED = "no-cache"
_NEVER_CHANGED = "public, max-age=31536000, immutable"
# What is no file of elizaOS's client is a page of it, but for the doors of the server itself.
_PAGES = r"/{path:(?!(?:api|socket\.io|media)(?:/|$)).*}"


def static_root() -> Path:
    """Return the folder of the web client, in a checkout as in a wheel."""
    packaged = Path(str(files("server"))) / "static"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "static"


def add_assets(app: web.Application) -> None:
    """Serve every file of Parley's web client under its own path, and the page at ``/``."""
    root = static_root()
    for path in sorted(root.rglob("*")):
        if path.suffix in _TYPES and path.parent.name != "door":
            app.router.add_get(f"/{path.relative_to(root).as_posix()}", _serve(path, _POLICY))
    app.router.add_get("/", _serve(root / "index.html", _POLICY))


def add_eliza_assets(app: web.Application, folder: Path) -> None:
    """Serve a build of elizaOS's web client, its page at every path that it may show, and a door to it."""
    root = static_root()
    for path, file in (
        ("/sign-in", root / "door" / "index.html"),
        ("/sign-in/door.js", root / "door" / "door.js"),
        ("/sign-in/style.css", root / "style.css"),
    ):
        app.router.add_get(path, _serve(file, _POLICY))
    app.router.add_get(_PAGES, _serve_client(folder))


def _serve_client(folder: Path) -> Handler:
    page = _serve(folder / "index.html", _ELIZA_POLICY)
    served = {
        path.relative_to(folder).as_posix(): _serve(path, _ELIZA_POLICY, _lifetime(path))
        for path in _find_files(folder)
    }

    async def answer(request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        if found := served.get(path):
            return await found(request)
        # A file that is missing must not come as a page, which a browser would try to run.
        if Path(path).suffix in _TYPES:
            raise web.HTTPNotFound
        return await page(request)

    return answer


def _find_files(folder: Path) -> Iterator[Path]:
    """Yield the files that belong to the folder; a link that leads out of it is none of them."""
    root = folder.resolve()
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in _TYPES and path.resolve().is_relative_to(root):
            yield path


def _lifetime(path: Path) -> str:
    """Return how long a browser may keep a file: a build's assets are named after what they hold."""
    return _NEVER_CHANGED if path.parent.name == "assets" else _REVALIDATED


def _serve(path: Path, policy: str, lifetime: str = _REVALIDATED) -> Handler:
    headers = {
        "Content-Type": _TYPES[path.suffix],
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": lifetime,
    }

    async def answer(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(path, headers=headers)

    return answer
