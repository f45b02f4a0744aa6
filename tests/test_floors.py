"""The house stands: imports only go down the floors, heavy libraries stay in their rooms, files stay readable."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "appliance"

# Top to bottom. A room may import what lies on a lower floor, and nothing else of ours but itself.
# The command line is the topmost door: it puts the web's app to work when no daemon runs.
FLOORS = (
    ("cli",),
    ("web", "mcp"),
    ("client", "daemon"),
    ("box",),
    ("memory", "notebook", "agents", "access", "backup", "bench", "imports", "provision", "release", "support"),
    ("jobs", "providers"),
    ("storage",),
    ("ground",),
)
LEVEL = {room: level for level, floor in enumerate(FLOORS) for room in floor}

# Rooms that may not import a certain lower one.
CLOSED_TO = {"cli": {"storage"}, "web": {"storage"}, "mcp": {"storage"}}

# Libraries that cost memory or start time, and the only modules that may import them when they are themselves
# imported. Everywhere else the import stands inside the function that needs it.
HEAVY = {
    "alembic": "appliance.storage.migrations",
    "ansible": "appliance.provision.callbacks",
    "anthropic": "appliance.providers",
    "apprise": None,
    "cryptography": "appliance.keyring_backend",
    "keyring": "appliance.keyring_backend",
    "mcp": "appliance.mcp",
    "mcp_types": "appliance.mcp",
    "numpy": None,
    "onnxruntime": None,
    "psycopg": None,
    "segno": None,
    "snowballstemmer": None,
    "tokenizers": None,
    "tomlkit": None,
}

LONGEST_FILE = 400
READ_BY_PEOPLE = {".py", ".html", ".css", ".js", ".mjs"}


def module_name(path: Path) -> str:
    """appliance/web/app.py -> appliance.web.app"""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The room a module of ours belongs to: its package; a bare module of the top level is ground, but for box."""
    name = module.partition(".")[2].split(".")[0]
    return name if name in LEVEL or (name and (PACKAGE / name).is_dir()) else "ground"


def imported_names(node: ast.AST) -> list[str]:
    """The full names of what one statement or call imports; `from a import b` names both `a` and `a.b`."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), names=names, level=0):
            return [module, *(f"{module}.{alias.name}" for alias in names)]
        case ast.Call(
            func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(module)), *_],
        ):
            return [module]
    return []


def when_imported(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes under `node` that run when the module is imported: not those in functions or for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from when_imported(child)


def upward_imports(module: str, source: str) -> list[str]:
    """Imports of ours that do not go down; those for type checkers and those inside functions count too."""
    room = room_of(module)
    names = {name for node in ast.walk(ast.parse(source)) for name in imported_names(node)}
    return sorted(
        f"{module} ({room}) imports {name} ({room_of(name)})"
        for name in names
        if name.startswith("appliance.") and not may_import(room, room_of(name))
    )


def may_import(room: str, other: str) -> bool:
    """Whether code in `room` may import from `other`."""
    if room == other:
        return True
    return LEVEL[room] < LEVEL[other] and other not in CLOSED_TO.get(room, set())


def heavy_imports(module: str, source: str) -> list[str]:
    """Heavy libraries that importing `module` would load outside of their room."""
    return sorted(
        f"{module} imports {name}"
        for node in when_imported(ast.parse(source))
        for name in imported_names(node)[:1]
        if (library := name.split(".")[0]) in HEAVY and not lies_in(module, HEAVY[library])
    )


def lies_in(module: str, room: str | None) -> bool:
    """Whether `module` is `room` or inside of it."""
    return room is not None and f"{module}.".startswith(f"{room}.")


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_go_down(module: str) -> None:
    assert upward_imports(module, MODULES[module].read_text("utf-8")) == []


@pytest.mark.parametrize("module", MODULES)
def test_heavy_libraries_stay_in_their_rooms(module: str) -> None:
    assert heavy_imports(module, MODULES[module].read_text("utf-8")) == []


def test_every_room_has_its_floor() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if any(path.glob("*.py"))}
    assert rooms <= set(LEVEL)


def test_importing_the_whole_package_loads_nothing_heavy() -> None:
    at_home = [name for name in MODULES if any(lies_in(name, room) for room in HEAVY.values())]
    light = [name for name in MODULES if name not in at_home and not name.endswith("__main__")]
    program = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, *light], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not set(HEAVY) & set(done.stdout.split())


def test_no_file_is_too_long_to_read() -> None:
    lengths = {
        str(path.relative_to(PACKAGE)): len(path.read_text("utf-8").splitlines())
        for path in PACKAGE.rglob("*")
        if path.suffix in READ_BY_PEOPLE
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("appliance.storage.database", "from appliance.memory.service import Memory"),
        ("appliance.storage.database", "import appliance.web.app"),
        ("appliance.memory.service", "from appliance.notebook import service"),
        ("appliance.memory.service", "from appliance import box"),
        ("appliance.clock", "from appliance.storage import schema"),
        ("appliance.daemon.lifecycle", "from appliance.client.http import Transport"),
        ("appliance.web.app", "from appliance.storage.database import Database"),
        ("appliance.cli.main", "def run():\n    from appliance.storage import database"),
        ("appliance.box", "if TYPE_CHECKING:\n    from appliance.web.app import App"),
        ("appliance.box", "import importlib\nimportlib.import_module('appliance.daemon.schedule')"),
    ],
)
def test_an_import_that_does_not_go_down_is_caught(module: str, source: str) -> None:
    assert upward_imports(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("appliance.cli.main", "from appliance.web.app import make_app"),
        ("appliance.web.app", "from appliance.box import Box\nfrom appliance.errors import MemboxError"),
        ("appliance.box", "from appliance.notebook.service import Notebook"),
        ("appliance.storage.sqlite", "from appliance.storage.schema import metadata\nfrom appliance import clock"),
        ("appliance.memory.service", "import appliance\nfrom appliance import __version__"),
    ],
)
def test_an_import_that_goes_down_is_allowed(module: str, source: str) -> None:
    assert upward_imports(module, source) == []


@pytest.mark.parametrize(
    ("module", "source", "caught"),
    [
        ("appliance.storage.sqlite", "from alembic import command", True),
        ("appliance.storage.sqlite", "try:\n    import alembic.command\nfinally:\n    pass", True),
        ("appliance.memory.recall", "class Vectors:\n    import numpy", True),
        ("appliance.memory.recall", "def near():\n    import numpy", False),
        ("appliance.memory.recall", "if TYPE_CHECKING:\n    import numpy", False),
        ("appliance.storage.migrations.env", "from alembic import context", False),
        ("appliance.storage.migrations_old", "from alembic import context", True),
    ],
)
def test_a_heavy_import_is_caught_unless_it_waits_or_is_at_home(module: str, source: str, caught: bool) -> None:
    assert bool(heavy_imports(module, source)) is caught
