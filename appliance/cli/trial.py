"""A box that is made for one benchmark and gone after it: what `appliance.bench.retrieval` asks questions of."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import lease
from appliance.bench.dataset import Group
from appliance.bench.own_file import make_anew
from appliance.bench.retrieval import BM25, VECTORS, Found, Setup, Store, VectorsAlone, full_text_alone
from appliance.errors import InvalidError
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

            yield VectorsAlone(embedder(setup.embedding).embed)
        else:
            with self._box(setup) as box:
                yield BoxStore(box)

    @contextmanager
    def _box(self, setup: Setup) -> Iterator["Box"]:
        from appliance.box import open_box
        from appliance.config import load_config

        with ExitStack() as at_end:
            home = Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="membox-benchmark-")))
            at_end.callback(lease.Lease.acquire(home, lease.COMMAND).release)
            (home / CONFIG_FILE).write_text(f'[memory]\nembedding = "{setup.embedding}"\n', "utf-8")
            box = open_box(home, config=load_config(home, self._environ(setup)))
            at_end.callback(box.close)
            yield box

    def _environ(self, setup: Setup) -> dict[str, str]:
        """The settings as an environment of its own, without the person's; makes the database that is to stay."""
        given = {"STORE_BACKEND": setup.backend, "GRAPH_ENABLED": json.dumps(setup.graph), **self.graph}
        if setup.backend == "sqlite" and (path := self.database(setup)):
            make_anew(path)
            given["SQLITE_PATH"] = str(path)
        if setup.backend == "postgres":
            given["POSTGRES_DSN"] = self.postgres_dsn
        return {f"MEMBOX_{name}": value for name, value in given.items()}


class BoxStore:
    """A box as `appliance.bench.retrieval.Store`: what it answers is what its doors answer."""

    def __init__(self, box: "Box") -> None:
        self._memory = box.memory

    def remember(self, group: Group, scope: str, items: list[dict[str, Any]]) -> list[str | None]:
        """See `Store`."""
        from appliance.memory.models import RememberRequest

        with _faults_told():
            request = RememberRequest.model_validate(_who(group) | {"scope": scope, "items": items})
        answer = self._memory.remember(_principal(group), request)
        refused = {warning.split(":")[1] for warning in answer.warnings if warning.startswith("rejected:")}
        ids = iter(answer.memory_ids)
        return [None if str(place) in refused else next(ids) for place in range(len(items))]

    def settle(self) -> None:
        """See `Store`."""
        getattr(self._memory, "catch_up_vectors", lambda: None)()

    def recall(self, group: Group, query: str, count: int, max_tokens: int) -> list[Found]:
        """See `Store`."""
        from appliance.memory.models import RecallRequest

        budget = {"max_items": min(count, 100), "max_tokens": max_tokens}
        with _faults_told():
            request = RecallRequest.model_validate(_who(group) | {"scope": "global", "query": query, "budget": budget})
        answer = self._memory.recall(_principal(group), request)
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
