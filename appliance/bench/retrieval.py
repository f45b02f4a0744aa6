"""Asking a data set's questions: of membox, of bare full text, of vectors alone; each answer judged by what it names.

The box is reached through `Store`, which whoever opens one provides (cli/trial.py).
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import batched, groupby
from time import perf_counter
from typing import Any, Protocol

from appliance.bench.dataset import Case, Dataset, Group
from appliance.bench.metrics import Answered, by_tag, means, told
from appliance.text import content_words, estimate_tokens

BM25, VECTORS, MEMBOX = "bm25", "vectors", "membox"
BATCH = 100  # items a request (contract memory-api)
_PARTS = 4  # so many times the items are asked for where several may count as one
MAX_TOKENS = 32_000  # the most a recall may be asked for: what is measured is finding, not packing


@dataclass(frozen=True)
class Setup:
    """What is asked: by which method, with which embedding, over which backend, with the graph or without."""

    method: str = MEMBOX
    backend: str = "sqlite"
    embedding: str = "light"
    graph: bool = False

    @property
    def name(self) -> str:
        """Its name in a table."""
        if self.method != MEMBOX:
            return f"{self.method} alone" + (f", {self.embedding}" if self.method == VECTORS else "")
        meaning = "no vectors" if self.embedding == "off" else self.embedding
        return f"membox {self.backend}, {meaning}" + (", graph" if self.graph else "")

    @property
    def store(self) -> tuple[object, ...]:
        """What it is asked of: the graph is nothing that is stored, but what is in memory ends with the process."""
        return self.method, self.backend, self.embedding, self.backend == "inmemory" and self.graph


type Found = tuple[str, int]  # an item's id, and about how many tokens its text takes


class Store(Protocol):
    """An empty box, or what stands in for one."""

    def remember(self, group: Group, scope: str, items: list[dict[str, Any]]) -> list[str | None]:
        """Store up to `BATCH` items; their ids in order, None for one that was refused."""

    def settle(self) -> None:
        """Return when everything stored is found by its meaning too."""

    def use_graph(self, enabled: bool) -> None:
        """Recall with related items from here on, or without; what is stored stays."""

    def recall(self, group: Group, query: str, count: int, max_tokens: int) -> list[Found]:
        """The best `count` items that fit `max_tokens`, best first."""


type OpenStore = Callable[[Setup], AbstractContextManager[Store]]
type Embed = Callable[[Sequence[str]], Any]  # texts to a float32 array (texts, dimensions) of unit length
type Step = Callable[[int], object]  # so many more are done
# Shows how far something is, of a name and so many steps; what it gives is told of them.
type Progress = Callable[[str, int], AbstractContextManager[Step]]


@dataclass(frozen=True)
class Run:
    """A data set asked of one setup; every metric at each of `ks`."""

    dataset: Dataset
    setup: Setup
    ks: tuple[int, ...]
    answered: Sequence[Answered]

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """Every metric over all questions (see `metrics.means`)."""
        return means(self.answered, self.ks)

    @cached_property
    def slices(self) -> Mapping[str, Mapping[str, float]]:
        """The same for each tag."""
        return by_tag(self.answered, self.ks)

    def as_json(self) -> dict[str, Any]:
        """The run for JSON, with the names that Brainstem's benchmark gives them."""
        return {
            "method": self.setup.method,
            "backend": self.setup.backend,
            "embedding": self.setup.embedding,
            "graph_enabled": self.setup.graph,
            "k": max(self.ks),
            "dataset_path": self.dataset.path,
            "seed_count": self.dataset.seed_count,
            "case_count": len(self.answered),
            "metrics": dict(self.metrics),
            "slice_metrics": {tag: dict(metrics) for tag, metrics in self.slices.items()},
            "case_results": [told(each, self.ks) for each in self.answered],
        }


def run(
    dataset: Dataset, setups: Iterable[Setup], ks: Sequence[int], open_store: OpenStore, progress: Progress
) -> list[Run]:
    """Ask the data set's questions of each setup, in an empty store of its own into which the memories were put.

    Neighbours of `setups` that differ in nothing but the graph share one.
    """
    runs: list[Run] = []
    for _, alike in groupby(setups, lambda setup: setup.store):
        first, *others = alike
        with open_store(first) as store:
            with progress(f"{dataset.name}, {first.name}: store", dataset.seed_count) as step:
                seed_of = [_stored(store, group, step) for group in dataset.groups]
                store.settle()
            for setup in (first, *others):
                store.use_graph(setup.graph)
                with progress(f"{dataset.name}, {setup.name}: ask", dataset.case_count) as step:
                    answered = _answered(dataset, store, seed_of, max(ks), step)
                runs.append(Run(dataset, setup, tuple(ks), answered))
    return runs


def _stored(store: Store, group: Group, step: Step) -> dict[str, str]:
    """Which memory of the data set each stored item is."""
    seed_of: dict[str, str] = {}
    for scope, seeds in groupby(group.seeds, lambda seed: seed.scope):
        for batch in batched(seeds, BATCH, strict=False):
            ids = store.remember(group, scope, [seed.item() for seed in batch])
            seed_of |= {item_id: seed.part_of or seed.id for item_id, seed in zip(ids, batch, strict=True) if item_id}
            step(len(batch))
    return seed_of


def _answered(
    dataset: Dataset, store: Store, seed_of: Sequence[Mapping[str, str]], count: int, step: Step
) -> list[Answered]:
    """Every question that has an answer, asked."""
    answered = []
    for group, ids in zip(dataset.groups, seed_of, strict=True):
        for case in group.cases:
            if expected := group.answers(case):
                answered.append(_ask(store, group, case, expected, ids, count))
            step(1)
    return answered


def _ask(
    store: Store, group: Group, case: Case, expected: frozenset[str], seed_of: Mapping[str, str], count: int
) -> Answered:
    asked = count * _PARTS if group.has_parts else count
    begin = perf_counter()
    items = store.recall(group, case.query, asked, MAX_TOKENS)
    seconds = perf_counter() - begin
    tokens_of: dict[str, int] = {}
    for item_id, tokens in items:  # what counts as one memory is found once
        tokens_of.setdefault(seed_of[item_id], tokens)
    found = list(tokens_of)[:count]
    tokens = sum(tokens_of[each] for each in found)
    return Answered(case.name or case.query, case.query, case.tags, expected, found, tokens, seconds)


class _Alone:
    """A plain search to compare with: keeps each tenant's texts; ids are their places."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}

    def remember(self, group: Group, _scope: str, items: list[dict[str, Any]]) -> list[str | None]:
        """See `Store`."""
        texts = self.texts.setdefault(group.tenant_id, [])
        texts += [item["text"] for item in items]
        return [str(place) for place in range(len(texts) - len(items), len(texts))]

    def use_graph(self, enabled: bool) -> None:
        """See `Store`; there is none."""

    def found(self, group: Group, places: Iterable[int]) -> list[Found]:
        """What `Store.recall` gives for these texts."""
        texts = self.texts[group.tenant_id]
        return [(str(place), estimate_tokens(texts[place])) for place in places]


class FullTextAlone(_Alone):
    """Bare FTS5: Porter's stems, BM25 over the tenant's own texts, stop words dropped from the query."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        super().__init__()
        self._conn = conn
        self._table_of: dict[str, str] = {}

    def settle(self) -> None:
        """See `Store`."""
        for number, (tenant, texts) in enumerate(self.texts.items()):
            table = self._table_of[tenant] = f"texts_{number}"
            self._conn.execute(f"CREATE VIRTUAL TABLE {table} USING fts5(text, tokenize = 'porter')")
            insert = f"INSERT INTO {table} (rowid, text) VALUES (?, ?)"  # noqa: S608 - a name made here
            self._conn.executemany(insert, enumerate(texts))

    def recall(self, group: Group, query: str, count: int, _max_tokens: int) -> list[Found]:
        """See `Store`."""
        if not (asked := content_words(query)) or not (table := self._table_of.get(group.tenant_id)):
            return []
        best = f"SELECT rowid FROM {table} WHERE {table} MATCH ? ORDER BY bm25({table}) LIMIT ?"  # noqa: S608 - likewise
        expression = " OR ".join(f'"{word}"' for word in asked)
        return self.found(group, (row[0] for row in self._conn.execute(best, (expression, count))))


class VectorsAlone(_Alone):
    """Nothing but the cosine of the query's vector with each of the tenant's texts'."""

    def __init__(self, embed: Embed) -> None:
        super().__init__()
        self._embed = embed
        self._vectors: dict[str, Any] = {}

    def settle(self) -> None:
        """See `Store`."""
        self._vectors = {tenant: self._embed(texts) for tenant, texts in self.texts.items()}

    def recall(self, group: Group, query: str, count: int, _max_tokens: int) -> list[Found]:
        """See `Store`."""
        if group.tenant_id not in self._vectors:
            return []
        cosines = self._vectors[group.tenant_id] @ self._embed([query])[0]
        return self.found(group, map(int, (-cosines).argsort(kind="stable")[:count]))


@contextmanager
def full_text_alone() -> Iterator[Store]:
    """A store that searches with bare FTS5."""
    with closing(sqlite3.connect(":memory:")) as conn:
        yield FullTextAlone(conn)
