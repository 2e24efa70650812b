"""What an installation of Parley consists of, tested on a wheel built from this checkout."""

import configparser
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = ("pyproject.toml", "setup.cfg", "README.md", "LICENSE")
PACKAGES = ("benchmarks", "handlers", "rooms", "server")


def pip(*arguments: str | Path) -> None:
    """Run the pip of the running interpreter."""
    command = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def setuptools_can_build() -> bool:
    """Tell whether the setuptools at hand understands pyproject.toml, so that none need be fetched."""
    try:
        return int(metadata.version("setuptools").partition(".")[0]) >= 77
    except metadata.PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, as stale files of the checkout's build/ would get into it."""
    source = tmp_path_factory.mktemp("source")
    for name in FILES:
        shutil.copy(ROOT / name, source)
    for name in (*PACKAGES, "static"):
        # server/static is a link that only a checkout has: see scripts/venv.
        ignored = shutil.ignore_patterns("__pycache__", *(["static"] if name == "server" else []))
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    target = tmp_path_factory.mktemp("wheel")
    isolation = ["--no-build-isolation"] if setuptools_can_build() else []
    pip("wheel", "--no-deps", *isolation, "--wheel-dir", target, source)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """Give the names of the wheel's files."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def files_below(directory: str) -> set[str]:
    """Give the files of a directory of the checkout, relative to it."""
    base = ROOT / directory
    return {
        path.relative_to(base).as_posix()
        for path in base.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_installs_these_packages_and_nothing_else(names: set[str]) -> None:
    """No tests, scripts or documents get into anybody's site-packages."""
    top_level = {name.partition("/")[0] for name in names}
    assert {name for name in top_level if not name.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_holds_every_module(names: set[str]) -> None:
    """An installation has the same code as the checkout."""
    expected = {
        f"{package}/{path}" for package in PACKAGES for path in files_below(package) if path.endswith(".py")
    }
    assert {name for name in names if name.endswith(".py")} == expected


def test_the_wheel_holds_the_migrations(names: set[str]) -> None:
    """An installed server can bring its database up to date."""
    assert any(name.startswith("rooms/migrations/versions/") for name in names)


def test_the_wheel_holds_every_static_file(names: set[str]) -> None:
    """The web client needs no other download."""
    expected = {f"server/static/{path}" for path in files_below("static")}
    assert "server/static/index.html" in expected
    assert {name for name in names if name.startswith("server/static/")} == expected


def test_the_wheel_holds_what_the_benchmarks_compile_and_run(names: set[str]) -> None:
    """The load generator and the peers come with ``parley bench``."""
    expected = {
        f"benchmarks/{path}"
        for path in files_below("benchmarks")
        if path.startswith(("generator/", "peers/"))
    }
    assert "benchmarks/generator/main.c" in expected
    assert expected <= names


def test_the_wheel_declares_the_parley_command(wheel: Path, names: set[str]) -> None:
    """Installing Parley gives a command of its name."""
    (declaration,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
    parser = configparser.ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        parser.read_string(archive.read(declaration).decode())
    assert dict(parser["console_scripts"]) == {"parley": "server.cli:main"}


def test_the_installed_packages_import_without_their_dependencies(wheel: Path, tmp_path: Path) -> None:
    """The packages themselves import nothing heavy, and the web client is beside the server's modules."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    pip("--python", python, "install", "--no-deps", "--no-index", wheel)
    program = (
        "import server, rooms, handlers, benchmarks; from importlib.resources import files; "
        "assert files('server.static').joinpath('index.html').is_file()"
    )
    command = (python, "-I", "-c", program)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
