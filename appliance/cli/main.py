"""The `membox` command: its options, the tree of commands, and the one place where errors become exit codes.

Nothing is imported here but Click and light modules of ours: `membox --help` and `membox note` must start at once.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from appliance import __version__
from appliance.cli.connect import Caller
from appliance.cli.errors import report
from appliance.cli.lazy import LazyGroup, Place
from appliance.cli.output import examples, prepare_streams
from appliance.home import default_home, expanded

_DAY, _BOX, _CARE, _MEASURE = "Every day", "The box", "Care", "Measuring"

_PLACES = {
    "note": Place("appliance.cli.note:note", "Write a note into today's journal.", _DAY),
    "remember": Place("appliance.cli.items:remember", "Store one memory item.", _DAY),
    "recall": Place("appliance.cli.items:recall", "Find what the box knows about something.", _DAY),
    "inspect": Place("appliance.cli.items:inspect", "Show everything about one memory item.", _DAY),
    "forget": Place("appliance.cli.items:forget", "Delete one memory item for good.", _DAY),
    "compact": Place("appliance.cli.compact:compact", "Sum up what the box knows about something.", _DAY),
    "digest": Place(
        "appliance.cli.notify:digest", "Sum up the last seven days: what changed in the memory, and what is open.", _DAY
    ),
    "memory": Place("appliance.cli.memory:memory", "Read, edit and take back the notebook's files.", _DAY),
    "targets": Place(
        "appliance.cli.targets:targets", "Keep CLAUDE.md, AGENTS.md and others up to date with the memory.", _DAY
    ),
    "session": Place(
        "appliance.cli.session:session", "What agents write down before they go on, and how they recover it.", _DAY
    ),
    "init": Place("appliance.cli.init:init", "Set up a memory box on this machine.", _BOX),
    "daemon": Place("appliance.cli.daemon:daemon", "Start, stop and watch the box's service.", _BOX),
    "login": Place("appliance.cli.login:login", "Let your commands speak to the box at URL.", _BOX),
    "logout": Place("appliance.cli.login:logout", "Forget the box and the key of `membox login`.", _BOX),
    "login-link": Place("appliance.cli.login:login_link", "Print a one-time link that signs a browser in.", _BOX),
    "key": Place("appliance.cli.key:key", "Make, list and revoke keys for devices and agents.", _BOX),
    "mcp": Place("appliance.cli.mcp:mcp", "Offer the box to agents as an MCP server.", _BOX),
    "secrets": Place("appliance.cli.secrets:secrets", "Keep what the box needs to know and nobody else.", _BOX),
    "config": Place("appliance.cli.config:config", "Show and change settings.", _BOX),
    "llm": Place("appliance.cli.llm:llm", "See, try and count the language models that the box asks.", _BOX),
    "notify": Place("appliance.cli.notify:notify", "Say where the box's messages go, and try it.", _BOX),
    "factory-reset": Place(
        "appliance.cli.factory_reset:factory_reset", "Erase everything the box knows, and begin anew.", _BOX
    ),
    "status": Place("appliance.cli.status:status", "Show how the box is.", _CARE),
    "doctor": Place("appliance.cli.doctor:doctor", "Check everything and say what to do.", _CARE),
    "support-bundle": Place(
        "appliance.cli.support_bundle:support_bundle", "Collect what helps to find a fault, without secrets.", _CARE
    ),
    "health": Place("appliance.cli.status:health", "Ask a box whether it is alive.", _CARE),
    "backup": Place(
        "appliance.cli.backup:backup", "Mirror the box, take snapshots, verify copies, restore from one.", _CARE
    ),
    "import": Place("appliance.cli.importing:importing", "Take over what another system has kept.", _BOX),
    "reindex": Place("appliance.cli.reindex:reindex", "Make anew what items are found by.", _CARE),
    "jobs": Place("appliance.cli.jobs:jobs", "Look after queued jobs, and those that failed for good.", _CARE),
    "worker": Place("appliance.cli.jobs:worker", "Work on queued jobs: reflect, train, cleanup.", _CARE),
    "models": Place("appliance.cli.models:models", "See, try and judge the models that rank what is recalled.", _CARE),
    "provision": Place(
        "appliance.cli.provision:provision", "Make this machine a memory box, or bring it up to date.", _CARE
    ),
    "cloud-init": Place(
        "appliance.cli.provision:cloud_init", "Write the file that makes a new cloud server a box.", _CARE
    ),
    "db": Place("appliance.cli.db:db", "Show and upgrade the database's schema, and move it to PostgreSQL.", _CARE),
    "release": Place("appliance.cli.release:release", "List the releases on this box, and switch between them.", _CARE),
    "benchmark": Place(
        "appliance.cli.benchmark:benchmark", "Measure how well a box finds the answers of a data set.", _MEASURE
    ),
    "report": Place("appliance.cli.benchmark:report", "Compare full text alone, vectors alone and membox.", _MEASURE),
    "leaderboard": Place(
        "appliance.cli.benchmark:leaderboard", "Run the suites of a manifest and rank their setups.", _MEASURE
    ),
    "perf-regression": Place(
        "appliance.cli.benchmark:perf_regression",
        "Check that a box is as quick and as small as its budgets say.",
        _MEASURE,
    ),
    "init-sqlite": Place("appliance.cli.db:upgrade", "", _CARE),
}


class _Membox(LazyGroup):
    """The root: runs a command and turns whatever it raises into one sentence and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002 - Click's signature
        **extra: Any,
    ) -> Any:
        """Run the command line `args` (default: the process's) and exit; `standalone_mode` is Click's, and unused."""
        words = list(sys.argv[1:] if args is None else args)
        prepare_streams()
        try:
            outcome = super().main(words, prog_name or "membox", complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()
        except Exception as error:  # noqa: BLE001 - reported, or raised again when it is not one of the expected kinds
            sys.exit(report(error, as_json=_wants_json(words)))
        sys.exit(outcome if isinstance(outcome, int) else 0)


def _wants_json(words: list[str]) -> bool:
    """Whether errors are to be told as JSON; read from the words, as usage errors come before any option is known."""
    before = words[: words.index("--")] if "--" in words else words
    return "--json" in before


@click.group(
    cls=_Membox,
    places=_PLACES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        'membox init && membox note "The spare key is in the blue tin"',
        'membox recall "spare key"',
        "membox daemon start",
    ),
)
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False, readable=False),
    help="The box's directory; beats MEMBOX_URL and a login. [default: $MEMBOX_HOME, else your data directory]",
)
@click.version_option(__version__, "-V", "--version", message="membox %(version)s")
@click.pass_context
def membox(ctx: click.Context, home: Path | None) -> None:
    """A memory box: one private place where you and your agents keep what you know.

    A command talks to the box at MEMBOX_URL (with MEMBOX_API_KEY) when these are set; else to the one you have logged
    in to; else to the daemon of the home on this machine; else, when none runs, it opens the home itself.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    ctx.obj = Caller(expanded(home).absolute() if home else default_home(), home_named=home is not None)


def main() -> None:
    """The entry point of the `membox` script; ends the process."""
    membox.main()


if __name__ == "__main__":
    main()
