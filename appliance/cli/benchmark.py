"""`membox benchmark | report | leaderboard | perf-regression`: how well and how fast a box finds (docs/benchmarks.md).

They make boxes of their own and touch nobody's.
"""

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from appliance.cli.output import emit, examples, json_option, progress_bar, shown
from appliance.errors import NotConfiguredError

if TYPE_CHECKING:
    from appliance.bench.retrieval import Setup
    from appliance.cli.trial import Trials

_OURS = Path(__file__).parents[1] / "bench" / "datasets"
_DATASET, _MANIFEST = _OURS / "workshop.json", _OURS / "suites.json"
_BACKENDS, _EMBEDDINGS = ("sqlite", "inmemory", "postgres"), ("off", "light", "better")
_file = click.Path(path_type=Path, dir_okay=False)
_directory = click.Path(path_type=Path, file_okay=False)

type Command = Callable[..., Any]


def _together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, in the order they are listed."""
    return lambda command: reduce(lambda inner, option: option(inner), reversed(options), command)


_k_option = click.option(
    "--k",
    "ks",
    type=click.IntRange(1, 100),
    multiple=True,
    default=(5, 10),
    show_default=True,
    help="Look at the best K; give it again for more.",
)
_sqlite_option = click.option(
    "--sqlite-path", type=_file, help="Keep the database there; one of an earlier benchmark is made anew."
)
_json_file_option = click.option("--output-json", type=_file, help="Write the results there as JSON.")
_md_file_option = click.option("--output-md", type=_file, help="Write the report there as Markdown.")
_graph_options = _together(
    click.option("--graph-max-expansion", type=int, default=4, show_default=True, help="Items that come along."),
    click.option("--graph-half-life-hours", type=float, default=168.0, show_default=True, help="Of a relation."),
    click.option("--graph-relation-weights", default="", help='JSON such as {"reference": 2.0}; the others stay.'),
)


@click.command(
    epilog=examples(
        "membox benchmark --dataset questions.json --k 5",
        "membox benchmark --dataset questions.json --graph-enabled --embedding better --output-json result.json",
    )
)
@click.option("--dataset", type=_file, default=_DATASET, help="A data set (docs/benchmarks.md). [default: a small one]")
@click.option("--backend", type=click.Choice(_BACKENDS), default="sqlite", show_default=True, help="Where items are.")
@_sqlite_option
@click.option(
    "--embedding",
    type=click.Choice(_EMBEDDINGS),
    default="light",
    show_default=True,
    help="What makes vectors of texts.",
)
@_k_option
@click.option("--graph-enabled", is_flag=True, help="With related items.")
@_graph_options
@_json_file_option
@json_option
def benchmark(
    dataset: Path,
    backend: str,
    sqlite_path: Path | None,
    embedding: str,
    ks: tuple[int, ...],
    graph_enabled: bool,
    output_json: Path | None,
    as_json: bool,
    **graph: Any,
) -> None:
    """Measure how well a box finds the answers of a data set.

    Every run stores the data set in an empty box of its own. The graph pays where an answer lies one step away from
    what a question's words find: entries that share names or codes. For questions that name what they look for it
    only costs tokens.
    """
    from appliance.bench.comparison import Comparison
    from appliance.bench.dataset import load_dataset
    from appliance.bench.retrieval import Setup, run

    setup = Setup(backend=backend, embedding=embedding, graph=graph_enabled)
    (done,) = run(
        load_dataset(dataset), [setup], sorted(set(ks)), _trials(graph, lambda _setup: sqlite_path), progress_bar
    )
    answer = done.as_json()
    _write(output_json, _text(answer))
    emit(answer, as_json, lambda: click.echo(Comparison(done.dataset, [done]).markdown()))


@click.command(
    epilog=examples(
        "membox report --dataset questions.json --output-md report.md --plots pictures",
        "membox report --dataset a.json --dataset b.json --embedding better --graph-mode off",
    )
)
@click.option(
    "--dataset",
    "datasets",
    type=_file,
    multiple=True,
    default=(_DATASET,),
    help="A data set; give it again for more. [default: a small one]",
)
@click.option(
    "--backend",
    "backends",
    type=click.Choice(_BACKENDS),
    multiple=True,
    default=("sqlite",),
    show_default=True,
    help="Where items are; give it again for more.",
)
@_sqlite_option
@click.option(
    "--embedding",
    "embeddings",
    type=click.Choice(_EMBEDDINGS),
    multiple=True,
    help="What makes vectors; give it again for more. [default: all that are installed]",
)
@click.option(
    "--graph-mode",
    "graph_modes",
    type=click.Choice(["off", "on"]),
    multiple=True,
    default=("off", "on"),
    show_default=True,
    help="Without or with related items; give it again for both.",
)
@_k_option
@_graph_options
@_md_file_option
@_json_file_option
@click.option("--plots", type=_directory, help="Draw pictures there (needs matplotlib: membox[bench]).")
@json_option
def report(
    datasets: tuple[Path, ...],
    backends: tuple[str, ...],
    sqlite_path: Path | None,
    embeddings: tuple[str, ...],
    graph_modes: tuple[str, ...],
    ks: tuple[int, ...],
    output_md: Path | None,
    output_json: Path | None,
    plots: Path | None,
    as_json: bool,
    **graph: Any,
) -> None:
    """Compare full text alone, vectors alone and membox.

    membox is asked with each backend × embedding × graph; results are told by the data set's tags too.
    """
    from appliance.bench.comparison import Comparison, setups
    from appliance.bench.dataset import load_dataset
    from appliance.bench.plots import draw, require_matplotlib
    from appliance.bench.retrieval import run

    if plots:
        require_matplotlib()
    trials = _trials(graph, lambda _setup: sqlite_path)
    asked = setups(backends, [mode == "on" for mode in graph_modes], embeddings or _installed())
    comparisons = [
        Comparison(dataset, run(dataset, asked, sorted(set(ks)), trials, progress_bar))
        for dataset in map(load_dataset, datasets)
    ]
    markdown = "\n\n".join(["# Retrieval benchmark", *(each.markdown() for each in comparisons)])
    answer = {"comparisons": [each.as_json() for each in comparisons]}
    _write(output_md, markdown + "\n")
    _write(output_json, _text(answer))
    if plots:
        _tell_drawn([path for each in comparisons for path in draw(each, plots)])
    emit(answer, as_json, lambda: click.echo(f"Written to {shown(output_md)}." if output_md else markdown))


@click.command(
    epilog=examples(
        "membox leaderboard --output-dir reports/leaderboard",
        "membox leaderboard --manifest suites.json --output-dir out --sqlite-dir databases",
    )
)
@click.option("--manifest", type=_file, default=_MANIFEST, help="Lists suites (docs/benchmarks.md). [default: ours]")
@click.option(
    "--output-dir",
    type=_directory,
    default=Path("reports/leaderboard"),
    show_default=True,
    help="Write leaderboard.json and leaderboard.md there.",
)
@click.option("--sqlite-dir", type=_directory, help="Keep the databases there.")
@click.option("--plots", is_flag=True, help="Draw pictures there too (needs matplotlib: membox[bench]).")
@json_option
def leaderboard(manifest: Path, output_dir: Path, sqlite_dir: Path | None, plots: bool, as_json: bool) -> None:
    """Run the suites of a manifest and rank their setups."""
    from appliance.bench.leaderboard import Suite, rank
    from appliance.bench.plots import draw, require_matplotlib

    if plots:
        require_matplotlib()

    def trials(suite: Suite) -> "Trials":
        def database(setup: "Setup") -> Path | None:
            return sqlite_dir / f"{suite.id}_{setup.embedding}.db" if sqlite_dir else None

        return _trials(suite.graph, database)

    board = rank(manifest, trials, progress_bar)
    answer = board.as_json()
    _write(output_dir / "leaderboard.json", _text(answer))
    _write(output_dir / "leaderboard.md", board.markdown() + "\n")
    if plots:
        _tell_drawn([path for ranking in board.rankings for path in draw(ranking.comparison, output_dir)])
    emit(answer, as_json, lambda: click.echo(board.markdown()))


@click.command(
    "perf-regression",
    epilog=examples(
        "membox perf-regression --iterations 200 --seed-count 100",
        "membox perf-regression --max-recall-p95-ms 20 --output-md performance.md",
    ),
)
@click.option("--iterations", type=click.IntRange(1), default=200, show_default=True, help="Items and questions.")
@click.option("--seed-count", type=click.IntRange(0), default=100, show_default=True, help="Items stored before.")
@click.option("--max-remember-p95-ms", type=click.FloatRange(0), default=250.0, show_default=True, help="Budget.")
@click.option("--max-recall-p95-ms", type=click.FloatRange(0), default=250.0, show_default=True, help="Budget.")
@click.option("--max-memory-growth-bytes", type=click.FloatRange(0), default=80e6, show_default=True, help="Budget.")
@_json_file_option
@_md_file_option
@json_option
def perf_regression(
    iterations: int,
    seed_count: int,
    max_remember_p95_ms: float,
    max_recall_p95_ms: float,
    max_memory_growth_bytes: float,
    output_json: Path | None,
    output_md: Path | None,
    as_json: bool,
) -> int:
    """Check that a box is as quick and as small as its budgets say.

    The exit code is 1 when a budget is passed. Milliseconds are at the 95th percentile.
    """
    from appliance.bench.regression import Budgets, markdown, measure_steady

    with tempfile.TemporaryDirectory(prefix="membox-benchmark-") as directory:
        steady = measure_steady(Path(directory), iterations, seed_count, progress_bar)
    answer = steady.as_json(Budgets(max_remember_p95_ms, max_recall_p95_ms, max_memory_growth_bytes))
    _write(output_json, _text(answer))
    _write(output_md, markdown(answer) + "\n")
    emit(answer, as_json, lambda: click.echo(markdown(answer)))
    return 0 if answer["pass"] else 1


def _trials(graph: Mapping[str, Any], database: "Callable[[Setup], Path | None]") -> "Trials":
    from appliance.cli.trial import Trials

    tuned = {name.upper(): str(value) for name, value in graph.items() if value not in (None, "")}
    dsn = os.environ.get("MEMBOX_POSTGRES_DSN") or os.environ.get("BRAINSTEM_POSTGRES_DSN", "")
    return Trials(tuned, dsn, database)


def _installed() -> Sequence[str]:
    """The embeddings this machine has; the sentence of one it lacks goes to standard error."""
    from appliance.memory.embedding import embedder

    found = ["off"]
    sizes: tuple[Literal["light", "better"], ...] = ("light", "better")
    for size in sizes:
        try:
            embedder(size)
            found.append(size)
        except NotConfiguredError as error:
            click.echo(f"Without {size}: {error.sentence}", err=True)
    return found


def _tell_drawn(paths: Sequence[Path]) -> None:
    for path in paths:
        click.echo(f"Drawn: {shown(path)}", err=True)


def _write(file: Path | None, text: str) -> None:
    """Put a finished result in the place of an earlier one; what was cut off leaves that as it is."""
    from appliance.durable import write_atomically

    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, text, mode=0o644)


def _text(answer: object) -> str:
    return json.dumps(answer, ensure_ascii=False, indent=2) + "\n"
