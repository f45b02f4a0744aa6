"""The tree of commands: every one explains itself with an example, and listing or noting loads nothing heavy."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from appliance.cli.main import membox


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command under `command`, itself included, by its path of names."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from walk(child, (*path, name))


TREE = dict(walk(membox))


@pytest.mark.parametrize("path", TREE, ids=" ".join)
def test_every_command_has_help_with_an_example(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(membox, [*path, "--help"])
    assert result.exit_code == 0
    _, _, shown = result.output.partition("Example")
    assert " ".join(["membox", *path]) in shown or path == ("init-sqlite",)


def test_the_tree_is_that_of_the_design() -> None:
    assert {" ".join(path) for path, command in TREE.items() if not isinstance(command, click.Group)} == {
        *("init", "status", "doctor", "note", "remember", "recall", "inspect", "forget", "health"),
        *("login", "logout", "login-link", "mcp"),
        *(f"secrets {name}" for name in ("set", "get", "list", "rm", "export", "import")),
        *(
            f"daemon {name}"
            for name in ("start", "stop", "status", "schedule", "run", "install", "uninstall", "web", "logs")
        ),
        *(
            f"memory {name}"
            for name in ("show", "list", "edit", "diff", "history", "restore", "undo", "lines", "find", "forget")
        ),
        "memory harvest",
        *(f"memory {name}" for name in ("refresh", "refreshes", "approve", "decline", "offers", "take", "leave")),
        *(f"session {name}" for name in ("recover", "buffer", "hook", "measure", "hooks install", "hooks remove")),
        *(f"key {name}" for name in ("create", "list", "revoke")),
        *(f"config {name}" for name in ("show", "set")),
        *(f"llm {name}" for name in ("list", "test", "usage", "models")),
        *(f"notify {name}" for name in ("list", "add", "rm", "test")),
        "digest",
        *(f"backup {name}" for name in ("now", "list", "restore", "verify", "snapshot", "drill", "recovery-key")),
        *(f"db {name}" for name in ("upgrade", "status", "move")),
        *(f"models {name}" for name in ("show", "history", "register", "promote", "rollback", "signal")),
        *(f"release {name}" for name in ("list", "switch", "recover")),
        *(f"targets {name}" for name in ("list", "add", "remove", "sync", "check")),
        *("import brainstem", "import memsync"),
        "init-sqlite",
        *("provision", "support-bundle", "factory-reset"),
        *("benchmark", "report", "leaderboard", "perf-regression"),
        "cloud-init render",
        *("compact", "reindex", "worker"),
        *(f"jobs {name}" for name in ("list", "show", "dead-letters", "retry")),
    }


def test_the_list_of_commands_says_what_their_own_help_says() -> None:
    for name, place in membox.places.items():
        first = (place.load().help or "").strip().partition("\n")[0]
        assert place.summary in ("", first), name


@pytest.mark.parametrize("name", [name for name in membox.places if isinstance(TREE[name,], click.Group)])
def test_a_groups_list_cuts_no_sentence_off(name: str) -> None:
    listed = CliRunner().invoke(membox, [name, "--help"]).output
    assert "..." not in listed.partition("Commands:")[2]


def test_a_hidden_alias_is_not_listed() -> None:
    assert "init-sqlite" not in CliRunner().invoke(membox, ["--help"]).output


def test_commands_that_print_data_offer_json() -> None:
    silent = {
        *(("daemon", name) for name in ("install", "uninstall", "web")),
        ("worker",),
        ("session", "hook"),
        ("release", "switch"),
        ("release", "recover"),
        ("provision",),
        ("mcp",),
        ("cloud-init", "render"),
        ("daemon", "start"),
        ("daemon", "stop"),
        ("daemon", "logs"),
    }
    without = {
        path
        for path, command in TREE.items()
        if not isinstance(command, click.Group) and not any("--json" in option.opts for option in command.params)
    }
    assert without == silent


@pytest.mark.parametrize("arguments", [["--help"], ["note", "--help"], ["--version"], ["note", "hello"]], ids=" ".join)
def test_starting_loads_nothing_heavy(arguments: list[str], tmp_path: object) -> None:
    program = (
        "import sys\n"
        "from appliance.cli.main import membox\n"
        "try:\n    membox.main(sys.argv[1:])\n"
        "except SystemExit:\n    pass\n"
        "print('LOADED', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--home", str(tmp_path), *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert "appliance.cli.main" in loaded
    assert not loaded & {"sqlalchemy", "pydantic", "bottle", "jinja2", "segno", "tomlkit", "appliance.box", "waitress"}
    foreign = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) - {"__main__"}
    assert {name for name in foreign if not name.startswith(("_", "sitecustomize"))} <= {"appliance", "click"}


def test_an_unknown_command_names_the_nearest() -> None:
    result = CliRunner().invoke(membox, ["recal", "x"])
    assert result.exit_code == 2
    assert "did you mean recall?" in result.output
