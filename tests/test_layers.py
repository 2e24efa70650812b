"""Which package may import which: the arrows of the design, read from the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("rooms", "handlers", "server")
FORBIDDEN = {
    "rooms": {"handlers", "server", "aiohttp", "socketio", "engineio", "redis"},
    "handlers": {"server", "socketio", "engineio"},
}
# What only a checkout has.
OUTSIDE_THE_WHEEL = {"chaos", "tests"}
SAYS_NOTHING = {"utils", "helpers", "common", "base"}


def modules(package: str) -> list[Path]:
    """Give the package's source files, relative to the repository."""
    return sorted(path.relative_to(ROOT) for path in (ROOT / package).rglob("*.py"))


def imports(module: Path) -> Iterator[tuple[int, str]]:
    """Give line and top-level name of everything the module imports, wherever in it."""
    for node in ast.walk(ast.parse((ROOT / module).read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A relative import stays inside its own package, as packages are flat.
            name = module.parts[0] if node.level else (node.module or "")
            yield node.lineno, name.partition(".")[0]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_point_inward(package: str) -> None:
    """The domain knows no transport, and the handlers do not know who runs them."""
    wrong = [
        f"{module}:{line} imports {name}"
        for module in modules(package)
        for line, name in imports(module)
        if name in FORBIDDEN[package]
    ]
    assert not wrong


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks"])
def test_what_is_installed_imports_nothing_that_is_not(package: str) -> None:
    """No module needs a file that the wheel leaves out."""
    wrong = [
        module for module in modules(package) for _, name in imports(module) if name in OUTSIDE_THE_WHEEL
    ]
    assert wrong == []


def test_importing_the_server_package_imports_nothing_else() -> None:
    """A module of server can be imported without paying for the others."""
    assert list(imports(Path("server/__init__.py"))) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_flat(package: str) -> None:
    """A package has modules and no packages inside, except for the statements and Alembic's migrations."""
    found = modules(package)
    assert Path(package, "__init__.py") in found
    inner = {path.parts[:2] for path in found if len(path.parts) > 2}
    assert inner <= {("rooms", "store"), ("rooms", "migrations")}


def test_module_names_say_what_is_inside() -> None:
    """No module has a name that anything could be put under."""
    assert [path for package in PACKAGES for path in modules(package) if path.stem in SAYS_NOTHING] == []


def test_static_files_hold_no_python() -> None:
    """Everything in static/ is sent to browsers, so no code of the server may lie there."""
    assert modules("static") == []
