"""Runs of one data set side by side: in a table, by tag, and what the graph changes; as Markdown and JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from appliance.bench.dataset import Dataset
from appliance.bench.report import aligned
from appliance.bench.retrieval import BM25, MEMBOX, VECTORS, Run, Setup

_HEADINGS = {
    "recall": "any found",
    "fractional_recall": "recall",
    "ndcg": "nDCG",
    "mrr": "MRR",
    "avg_composed_tokens": "tokens",
    "latency_p50_ms": "p50 ms",
    "latency_p95_ms": "p95 ms",
    "latency_p99_ms": "p99 ms",
}

type Metrics = Mapping[str, float]


def setups(backends: Sequence[str], graphs: Sequence[bool], embeddings: Sequence[str]) -> list[Setup]:
    """Full text alone, vectors alone with each embedding, then membox: backend × embedding × graph."""
    alone = [Setup(BM25, embedding="off")]
    alone += [Setup(VECTORS, embedding=embedding) for embedding in embeddings if embedding != "off"]
    return alone + [Setup(MEMBOX, *each) for each in product(backends, embeddings, graphs)]


@dataclass(frozen=True)
class Comparison:
    """Runs of one data set, at the same cut-offs."""

    dataset: Dataset
    runs: Sequence[Run]

    @property
    def ks(self) -> tuple[int, ...]:
        """The cut-offs."""
        return self.runs[0].ks

    def deltas(self) -> list[tuple[Setup, str, dict[str, float]]]:
        """What the graph changes, on minus off: for each setup, over all questions (tag "") and for each tag."""
        off_of = {replace(run.setup, graph=True): run for run in self.runs if not run.setup.graph}
        pairs = [(off_of[run.setup], run) for run in self.runs if run.setup in off_of]
        return [
            (off.setup, tag, {name: on_metrics[name] - off_metrics[name] for name in _compared(on.ks)})
            for off, on in pairs
            for tag, on_metrics, off_metrics in _slices(on, off)
        ]

    def as_json(self) -> dict[str, Any]:
        """Everything, for JSON."""
        dashboard = [
            {"backend": setup.backend, "embedding": setup.embedding, "tag": tag or None, "on_minus_off": delta}
            for setup, tag, delta in self.deltas()
        ]
        runs = [run.as_json() for run in self.runs]
        return {"dataset_path": self.dataset.path, "k": max(self.ks), "runs": runs, "graph_dashboard": dashboard}

    def markdown(self) -> str:
        """The comparison as a section of a report."""
        parts = [f"## {self.dataset.name}", self._size(), self._summary()]
        for metric in _compared(self.ks)[:-1]:
            parts += self._by_tag(metric)
        if deltas := self.deltas():
            parts += ["### Graph: on minus off", self._graph(deltas)]
        return "\n\n".join(parts)

    def _size(self) -> str:
        groups = len(self.dataset.groups)
        apart = f" in {groups} tenants" if groups > 1 else ""
        cases = len(self.runs[0].answered)
        return (
            f"`{self.dataset.path}`: {self.dataset.seed_count:,} memories{apart}, {cases:,} questions with an answer."
        )

    def _summary(self) -> str:
        quality = [name for k in self.ks for name in (f"recall@{k}", f"fractional_recall@{k}", f"ndcg@{k}")]
        columns = [(name, ".3f") for name in [*quality, "mrr"]]
        columns += [("avg_composed_tokens", ",.0f"), *((f"latency_p{percent}_ms", ".2f") for percent in (50, 95, 99))]
        rows = [[run.setup.name, *(format(run.metrics[name], form) for name, form in columns)] for run in self.runs]
        return _numbers(["", *(_heading(name) for name, _ in columns)], rows)

    def _by_tag(self, metric: str) -> list[str]:
        tags = self.runs[0].slices
        if not tags:
            return []
        head = ["", *(f"{tag} ({metrics['cases']:.0f})" for tag, metrics in tags.items()), "all"]
        rows = [
            [
                run.setup.name,
                *(f"{metrics[metric]:.3f}" for metrics in run.slices.values()),
                f"{run.metrics[metric]:.3f}",
            ]
            for run in self.runs
        ]
        return [f"### {_heading(metric)} by tag", _numbers(head, rows)]

    def _graph(self, deltas: Iterable[tuple[Setup, str, dict[str, float]]]) -> str:
        names = _compared(self.ks)
        rows = [[setup.name, tag or "all", *(f"{delta[name]:+.3f}" for name in names)] for setup, tag, delta in deltas]
        return aligned(["", "tag", *map(_heading, names)], rows, right=range(2, 2 + len(names)))


def _compared(ks: Sequence[int]) -> list[str]:
    """The metrics that are told by tag and as the graph's difference."""
    return [*(f"fractional_recall@{k}" for k in ks), f"ndcg@{max(ks)}", "avg_composed_tokens"]


def _slices(on: Run, off: Run) -> list[tuple[str, Metrics, Metrics]]:
    return [("", on.metrics, off.metrics), *((tag, on.slices[tag], off.slices[tag]) for tag in on.slices)]


def _heading(name: str) -> str:
    word, at, k = name.partition("@")
    return _HEADINGS[word] + at + k


def _numbers(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return aligned(head, rows, right=range(1, len(head)))
