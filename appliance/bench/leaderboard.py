"""Suites of a manifest, each asked of several setups and ranked (docs/benchmarks.md, Manifest)."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.bench.comparison import Comparison
from appliance.bench.dataset import load_dataset
from appliance.bench.report import aligned
from appliance.bench.retrieval import OpenStore, Progress, Run, Setup, run
from appliance.errors import InvalidError

type Backend = Literal["sqlite", "inmemory", "postgres"]
type Embedding = Literal["off", "light", "better"]


class Suite(BaseModel):
    """A data set and the setups it is asked of; what is said of the graph is for those with it."""

    model_config = ConfigDict(frozen=True)

    id: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    dataset_path: str
    k: Annotated[int, Field(ge=1, le=100)] = 5
    backends: Annotated[tuple[Backend, ...], Field(min_length=1)] = ("sqlite",)
    embeddings: Annotated[tuple[Embedding, ...], Field(min_length=1)] = ("light",)
    graph_modes: Annotated[tuple[Literal["off", "on"], ...], Field(min_length=1)] = ("off", "on")
    focus_tags: tuple[str, ...] = ()
    graph_max_expansion: int | None = None
    graph_half_life_hours: float | None = None
    graph_relation_weights: dict[str, float] | None = None

    @property
    def graph(self) -> dict[str, Any]:
        """What tunes the graph, by the names of the command's options."""
        weights = json.dumps(self.graph_relation_weights) if self.graph_relation_weights else None
        tuned = {"max_expansion": self.graph_max_expansion, "half_life_hours": self.graph_half_life_hours}
        return {f"graph_{name}": value for name, value in (tuned | {"relation_weights": weights}).items()}

    @property
    def setups(self) -> list[Setup]:
        """Backend × embedding × graph."""
        return [
            Setup(backend=backend, embedding=embedding, graph=mode == "on")
            for backend in self.backends
            for embedding in self.embeddings
            for mode in self.graph_modes
        ]


class Manifest(BaseModel):
    """The suites, in the form that Brainstem's manifests have."""

    schema_version: str = "1"
    suites: Annotated[tuple[Suite, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Ranking:
    """One suite's runs, the best first."""

    suite: Suite
    comparison: Comparison

    def best_first(self) -> list[Run]:
        """By any found, then recall, then nDCG at k."""
        k = self.suite.k
        names = (f"recall@{k}", f"fractional_recall@{k}", f"ndcg@{k}")
        return sorted(self.comparison.runs, key=lambda run: [-run.metrics[name] for name in names])

    def as_json(self) -> dict[str, Any]:
        """Everything, for JSON."""
        suite = {"id": self.suite.id, "focus_tags": list(self.suite.focus_tags)}
        ranked = {"runs": [run.as_json() for run in self.best_first()]}
        return suite | self.comparison.as_json() | ranked

    def markdown(self) -> str:
        """The ranks, then the comparison."""
        k = self.suite.k
        names = (f"recall@{k}", f"fractional_recall@{k}", f"ndcg@{k}", "mrr")
        rows = [
            [str(place), run.setup.name, *(f"{run.metrics[name]:.3f}" for name in names)]
            for place, run in enumerate(self.best_first(), 1)
        ]
        ranks = aligned(["rank", "setup", f"any found@{k}", f"recall@{k}", f"nDCG@{k}", "MRR"], rows, (0, 2, 3, 4, 5))
        return f"# Suite {self.suite.id}\n\n{ranks}\n\n{self.comparison.markdown()}"


@dataclass(frozen=True)
class Leaderboard:
    """Every suite of a manifest, ranked."""

    schema_version: str
    rankings: Sequence[Ranking]

    def as_json(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {"schema_version": self.schema_version, "suites": [ranking.as_json() for ranking in self.rankings]}

    def markdown(self) -> str:
        """Everything, for people."""
        return "\n\n".join(ranking.markdown() for ranking in self.rankings)


def load_manifest(path: Path) -> Manifest:
    """The manifest in the JSON file `path`; InvalidError `bad_manifest` where it is none."""
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as fault:
        why = f"it cannot be read ({fault.strerror})"
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
    raise InvalidError("bad_manifest", f"{path} is no manifest: {why}. Its form stands in docs/benchmarks.md.")


def rank(path: Path, open_store: Callable[[Suite], OpenStore], progress: Progress) -> Leaderboard:
    """Run every suite of the manifest at `path`; a data set's path starts here, else at the manifest."""
    manifest, rankings = load_manifest(path), []
    for suite in manifest.suites:
        given = Path(suite.dataset_path)
        dataset = load_dataset(given if given.exists() else path.parent / given)
        runs = run(dataset, suite.setups, [suite.k], open_store(suite), progress)
        rankings.append(Ranking(suite, Comparison(dataset, runs)))
    return Leaderboard(manifest.schema_version, rankings)
