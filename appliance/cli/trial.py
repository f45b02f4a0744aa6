"""A box that is made for one benchmark and gone after it: what `appliance.bench.retrieval` asks questions of."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from appliance import lease
from appliance.bench.dataset import Group
from appliance.bench.own_database import dropped_after, make_anew
from appliance.bench.retrieval import BM25, VECTORS, Found, Setup, Store, VectorsAlone, full_text_alone
from appliance.errors import InvalidError, UnavailableError
from appliance.home import CONFIG_FILE
from appliance.principal import Principal, Role
from appliance.text import estimate_tokens

if TYPE_CHECKING:
    from appliance.box import Box


@dataclass(frozen=True)
class Trials:
    """Opens an empty store for a setup.

    Args:
        graph: what tunes the graph, by its variable's name (contract memory-api, Environment).
        postgres_dsn: where the PostgreSQL server is.
        database: where the database of a box on SQLite stays for who wants to look at it; None: it goes.
    """

    graph: Mapping[str, str]
    postgres_dsn: str
    database: Callable[[Setup], Path | None]

    @contextmanager
    def __call__(self, setup: Setup) -> Iterator[Store]:
        """See `appliance.bench.retrieval.OpenStore`."""
        if setup.method == BM25:
            with full_text_alone() as store:
                yield store
        elif setup.method == VECTORS:
            from appliance.memory.embedding import embedder

            yield VectorsAlone(embedder("better" if setup.embedding == "better" else "light").embed)
        else:
            with self._box(setup) as store:
                yield store

    @contextmanager
    def _box(self, setup: Setup) -> Iterator[Store]:
        environ = {"STORE_BACKEND": setup.backend, **self.graph}
        with ExitStack() as at_end:
            if setup.backend == "sqlite" and (path := self.database(setup)):
                make_anew(path)
                environ["SQLITE_PATH"] = str(path)
            if setup.backend == "postgres":
                environ["POSTGRES_DSN"] = at_end.enter_context(dropped_after(self.postgres_dsn))
            home = Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="membox-benchmark-")))
            at_end.callback(lease.Lease.acquire(home, lease.COMMAND).release)
            settings = f'core.timezone = "UTC"\nmemory.embedding = "{setup.embedding}"\n'  # data sets' days are UTC
            (home / CONFIG_FILE).write_text(settings, "utf-8")
            yield at_end.enter_context(BoxStore(home, environ, setup.graph))


class BoxStore:
    """A box as `appliance.bench.retrieval.Store`: what it answers is what its doors answer.

    `environ` has its settings, in place of the person's environment.
    """

    def __init__(self, home: Path, environ: dict[str, str], graph: bool) -> None:
        self._home, self._environ, self._graph = home, environ, graph
        self._box = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._box.close()

    def _open(self) -> "Box":
        from appliance.box import open_box
        from appliance.config import load_config

        given = self._environ | {"GRAPH_ENABLED": json.dumps(self._graph)}
        return open_box(self._home, config=load_config(self._home, {f"MEMBOX_{name}": given[name] for name in given}))

    def use_graph(self, enabled: bool) -> None:
        """See `Store`."""
        if enabled != self._graph:
            self._graph = enabled
            self._box.close()
            self._box = self._open()

    def remember(self, group: Group, scope: str, items: list[dict[str, Any]]) -> list[str | None]:
        """See `Store`."""
        from appliance.memory.models import RememberRequest

        with _faults_told():
            request = RememberRequest.model_validate(_who(group) | {"scope": scope, "items": items})
        answer = self._box.memory.remember(_principal(group), request)
        refused = {warning.split(":")[1] for warning in answer.warnings if warning.startswith("rejected:")}
        ids = iter(answer.memory_ids)
        return [None if str(place) in refused else next(ids) for place in range(len(items))]

    def settle(self) -> None:
        """See `Store`."""
        if not self._box.memory.vectors.catch_up():
            raise UnavailableError("no_vectors", "Not every memory got its vector; `membox doctor` says what is amiss.")

    def recall(self, group: Group, query: str, count: int, max_tokens: int) -> list[Found]:
        """See `Store`."""
        from appliance.memory.models import RecallRequest

        budget = {"max_items": min(count, 100), "max_tokens": max_tokens}
        with _faults_told():
            request = RecallRequest.model_validate(_who(group) | {"scope": "global", "query": query, "budget": budget})
        answer = self._box.memory.recall(_principal(group), request)
        return [(item.memory_id, estimate_tokens(item.text)) for item in answer.items]


@contextmanager
def _faults_told() -> Iterator[None]:
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        sentence = f"A memory or question of the data set cannot be used: {where}: {first['msg']}. Correct it."
        raise InvalidError("bad_dataset", sentence) from None


def _who(group: Group) -> dict[str, str]:
    return {"tenant_id": group.tenant_id, "agent_id": group.agent_id}


def _principal(group: Group) -> Principal:
    return Principal(group.tenant_id, group.agent_id, Role.ADMIN)
