"""Pictures of a comparison: how much is found at each cut-off and by tag, and how long it takes. Needs matplotlib."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.bench.comparison import Comparison
from appliance.bench.retrieval import Run
from appliance.errors import NotConfiguredError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 9.0  # inches
_LATENCIES = ("latency_p50_ms", "latency_p95_ms", "latency_p99_ms")


def require_matplotlib() -> None:
    """Raise NotConfiguredError `no_matplotlib`, with how to get it, where it is not installed."""
    if find_spec("matplotlib") is None:
        raise NotConfiguredError(
            "no_matplotlib", "Plots need matplotlib, which is not installed: pip install 'membox[bench]'."
        )


def draw(comparison: Comparison, directory: Path) -> list[Path]:
    """Write `NAME-quality.png`, `NAME-tags.png` (with tags) and `NAME-latency.png` into `directory`; their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    runs, name = comparison.runs, comparison.dataset.name
    quality = [*(f"fractional_recall@{k}" for k in comparison.ks), f"ndcg@{max(comparison.ks)}", "mrr"]
    values = [[run.metrics[metric] for metric in quality] for run in runs]
    drawn = [_bars(directory / f"{name}-quality.png", f"{name}: what is found", quality, runs, values)]
    if tags := list(runs[0].slices):
        metric = f"fractional_recall@{max(comparison.ks)}"
        values = [[run.slices[tag][metric] for tag in tags] for run in runs]
        drawn.append(_bars(directory / f"{name}-tags.png", f"{name}: {metric} by tag", tags, runs, values))
    values = [[run.metrics[metric] for metric in _LATENCIES] for run in runs]
    return [*drawn, _bars(directory / f"{name}-latency.png", f"{name}: ms a recall", _LATENCIES, runs, values)]


def _bars(file: Path, title: str, labels: Sequence[str], runs: Sequence[Run], values: list[list[float]]) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, 1 + 0.16 * len(labels) * (len(runs) + 1)), layout="constrained")
    axes: Axes = figure.subplots()
    height = 0.8 / len(runs)
    for number, (run, widths) in enumerate(zip(runs, values, strict=True)):
        places = [place + number * height for place in range(len(labels))]
        axes.barh(places, widths, height=height, label=run.setup.name)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(labels))], labels)
    axes.invert_yaxis()
    axes.set_title(title)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
    figure.savefig(file)
    return file
