"""The web clients that a node serves: Parley's own, or a build of elizaOS's."""

import shlex
from pathlib import Path

import pytest

from server.cli import link_command
from server.config import BadSetting, load
from tests.running import Parley, Start, run_parley

PAGE = "<!doctype html><title>a client</title>"


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """Give a folder that looks like a build of elizaOS's web client."""
    folder = tmp_path / "package" / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "images" / "agents").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "assets" / "main-CqTmsniN.js").write_text("export {};")
    (folder / "assets" / "main.css").write_text("body {}")
    (folder / "images" / "agents" / "agent1.png").write_bytes(b"\x89PNG")
    (folder / "favicon.ico").write_bytes(b"\0\0")
    (folder / ".env").write_text("SECRET=1")
    (tmp_path / "outside.txt").write_text("outside")
    (folder / "link.txt").symlink_to(tmp_path / "outside.txt")
    return folder


@pytest.fixture
async def parley(start: Start, build: Path) -> Parley:
    """Run a node that serves the build."""
    return await start(ui="eliza", ui_dir=build)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/assets/main-CqTmsniN.js", "text/javascript; charset=utf-8"),
        ("/assets/main.css", "text/css; charset=utf-8"),
        ("/images/agents/agent1.png", "image/png"),
        ("/favicon.ico", "image/x-icon"),
    ],
)
async def test_the_files_of_a_build_are_served_as_what_they_are(parley: Parley, path: str, kind: str) -> None:
    """With the type that a browser insists on, and no guessing."""
    got = await parley.anonymous.get(path)
    assert (got.status, got.headers["Content-Type"]) == (200, kind)
    assert got.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/chat/bot",
        "/chat/my.bot/x",
        "/group/new",
        "/group/1?messageServerId=2",
        "/settings/",
        "/apis",
        "/.env",
    ],
)
async def test_every_other_path_is_a_page_of_the_client(parley: Parley, path: str) -> None:
    """It is the page, which is asked for anew each time and runs nothing from elsewhere."""
    got = await parley.anonymous.get(path)
    assert (got.status, got.raw.decode()) == (200, PAGE)
    assert got.headers["Content-Type"] == "text/html; charset=utf-8"
    assert got.headers["Cache-Control"] == "no-cache"
    policy = got.headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval';" in policy
    assert "connect-src 'self';" in policy


@pytest.mark.parametrize(
    "path",
    [
        "/assets/gone.js",
        "/gone.png",
        "/chat/bot/main.js",
        "/link.txt",
        "/%2e%2e/outside.txt",
        "/api/gone",
        "/api",
    ],
)
async def test_what_is_missing_is_no_page(parley: Parley, path: str) -> None:
    """Neither a file, nor what lies outside, nor a path of the API."""
    assert (await parley.anonymous.get(path)).refusal == (404, "RESOURCE_NOT_FOUND")


async def test_the_doors_of_the_server_stay_what_they_are(parley: Parley) -> None:
    """Methods, health and Socket.IO are answered as ever."""
    assert (await parley.anonymous.get("/api/messaging/submit")).status == 405
    assert (await parley.anonymous.get("/healthz")).status == 200
    assert (await parley.anonymous.get("/socket.io/", EIO=4, transport="polling")).raw.startswith(b"0{")
    assert (await parley.anonymous.post("/chat/bot", {})).status == 405


async def test_a_builds_assets_are_kept_by_browsers(parley: Parley) -> None:
    """Their names change with what they hold; nothing else may be kept unasked."""
    lifetime = (await parley.anonymous.get("/assets/main-CqTmsniN.js")).headers["Cache-Control"]
    assert lifetime == "public, max-age=31536000, immutable"
    page = await parley.anonymous.get("/favicon.ico")
    assert page.headers["Cache-Control"] == "no-cache"
    again = await parley.anonymous.having(If_None_Match=page.headers["ETag"]).get("/favicon.ico")
    assert again.status == 304


async def test_there_is_a_door_to_elizas_client(parley: Parley) -> None:
    """Its page is Parley's own, and so is its policy."""
    page = await parley.anonymous.get("/sign-in")
    assert b"Sign in" in page.raw
    assert "style-src 'self';" in page.headers["Content-Security-Policy"]
    for path in ("/sign-in/door.js", "/sign-in/style.css"):
        assert path.encode() in page.raw
        assert (await parley.anonymous.get(path)).status == 200


async def test_parleys_own_client_is_the_default(start: Start) -> None:
    """There is no second one beside it."""
    parley = await start()
    assert b"<title>Parley</title>" in (await parley.anonymous.get("/")).raw
    for path in ("/chat/bot", "/sign-in", "/door/index.html"):
        assert (await parley.anonymous.get(path)).status == 404


@pytest.mark.parametrize(
    "settings", [{"ui": "eliza"}, {"ui_dir": Path()}, {"ui": "eliza", "ui_dir": Path("/nowhere")}]
)
def test_a_client_that_is_not_there_is_a_bad_setting(settings: dict[str, object]) -> None:
    """The sentence names the setting and what it must be."""
    with pytest.raises(BadSetting, match="PARLEY_UI_DIR"):
        load(**settings)


async def test_serve_takes_the_client_from_its_options(build: Path, tmp_path: Path) -> None:
    """A folder without a page ends it with a sentence; sign-in links lead to the door."""
    options = ("--data-dir", str(tmp_path / "data"), "--ui", "eliza", "--ui-dir", str(build.parent))
    code, said = await run_parley("serve", *options)
    assert (code, said.count("\n")) == (1, 1)
    assert "holds no index.html" in said
    links = load(ui="eliza", ui_dir=build).sign_in_url(3000, "x"), load().sign_in_url(3000, "x")
    assert links == ("http://localhost:3000/sign-in#code=x", "http://localhost:3000/#code=x")


def test_the_command_for_a_link_is_of_this_server(build: Path) -> None:
    """It says where the data are and whose client is served, unless that is as usual."""
    command = shlex.split(link_command(load(data_dir=Path("my data"), ui="eliza", ui_dir=build), 3001))
    assert command[:2] == ["PARLEY_UI=eliza", f"PARLEY_UI_DIR={build}"]
    assert command[-4:] == ["--port", "3001", "--data-dir", "my data"]
    assert link_command(load(), 3000).endswith("keys create --kind user --id owner --sign-in --port 3000")
