"""Training a tenant's model: fitting it to what was judged, and trying it on recalls the fit did not see.

Of the judged recalls 30 in 100 are held out, always the same for the same recalls. Only a version that orders these
better than the active one does becomes a canary; nothing is ever promoted here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from appliance.clock import Clock, iso, to_ms
from appliance.jobs import Finish, Kind, Result, Running
from appliance.memory import reranker, scoring
from appliance.memory.features import NAMES
from appliance.memory.fitting import fit, ndcg
from appliance.memory.judgements import JudgedRecall, judged_recalls
from appliance.memory.registry import Registry
from appliance.memory.registry_models import ModelKind, RegisterRequest
from appliance.memory.routing import Weights, active_weights
from appliance.memory.work_models import TrainWork
from appliance.principal import Principal, Role
from appliance.storage import Database

TRAIN = "train"
LEAST = 20  # judged recalls
_HELD_OUT = 0.3
_LEAST_GAIN = 0.005  # nDCG; less is chance
_DAY_MS = 86_400_000
# They only break ties (contract memory-api, Recall), whatever is learned.
_TIE_BREAKERS = frozenset(("salience", "confidence", "trust", "recency"))


@dataclass(frozen=True, slots=True)
class _Fitted:
    """New weights, and the nDCG@10 of held-out recalls by the active version and by these."""

    weights: Weights
    before: float
    after: float
    fitted_on: int
    held_out: int

    @property
    def gain(self) -> float:
        return round(self.after - self.before, 4)


def train_kind(database: Database, registry: Registry, clock: Clock) -> Kind:
    """The kind of job that trains a tenant's reranker or salience model."""
    return Kind(TRAIN, partial(_train, database, registry, clock))


def _train(database: Database, registry: Registry, clock: Clock, running: Running) -> Finish:
    asked, tenant_id = running.payload(TrainWork), running.job.tenant_id
    kind, now = asked.model_kind, to_ms(clock())
    with database.read() as conn:
        recalls = judged_recalls(conn, tenant_id, kind, now - asked.lookback_days * _DAY_MS)
        active = active_weights(conn, tenant_id, kind)
    recalls = [recall for recall in recalls if recall.tells_an_order]
    questions = len({recall.question for recall in recalls})
    if questions < LEAST:
        return partial(_told, None, _too_few(questions, asked))
    running.proceed()
    fitted = _fitted(recalls, {**_BASELINE[kind], **(active or {})}, kind)
    if fitted.gain < _LEAST_GAIN:
        return partial(_told, fitted, _no_better(fitted))
    version = f"{kind}-{iso(now)[:10].replace('-', '')}-{running.job.job_id[-8:]}"
    request = RegisterRequest(
        tenant_id=tenant_id,
        agent_id=running.job.agent_id,
        version=version,
        metadata={
            "trained_by": running.job.job_id,
            "held_out_gain": fitted.gain,
            "held_out_recalls": fitted.held_out,
            "fitted_recalls": fitted.fitted_on,
            "lookback_days": asked.lookback_days,
        },
    )
    caller = Principal(tenant_id, running.job.agent_id, Role.ADMIN)

    def finish(conn: Connection) -> Result:
        registry.register_in(conn, caller, kind, request, fitted.weights)
        return _told(fitted, _better(fitted, kind), conn) | {"candidate_version": version}

    return finish


def _fitted(recalls: Sequence[JudgedRecall], active: Weights, kind: ModelKind) -> _Fitted:
    fitting, held_out = _split(recalls)
    names = tuple(_BASELINE[kind])
    start = [active[name] for name in names]
    weights = fit(fitting, start, [name not in _TIE_BREAKERS for name in names])
    return _Fitted(
        {name: round(weight, 6) for name, weight in zip(names, weights, strict=True)},
        ndcg(held_out, start),
        ndcg(held_out, weights),
        len(fitting),
        len(held_out),
    )


def _split(recalls: Sequence[JudgedRecall]) -> tuple[list[JudgedRecall], list[JudgedRecall]]:
    """(to fit, held out): recalls of one question are on one side, by its hash."""
    questions = sorted({recall.question for recall in recalls})
    apart = set(questions[: round(_HELD_OUT * len(questions))])
    return [each for each in recalls if each.question not in apart], [
        each for each in recalls if each.question in apart
    ]


def _told(fitted: _Fitted | None, notes: str, _conn: Connection) -> Result:
    return {"candidate_version": None, "held_out_gain": fitted.gain if fitted else None, "notes": notes}


def _too_few(questions: int, asked: TrainWork) -> str:
    return (
        f"Nothing was fitted: {questions} of the {LEAST} judged recalls that it takes were found in the last "
        f"{asked.lookback_days} days; judge {LEAST - questions} more, of different questions, each with an item that "
        "helped among others that did less."
    )


def _measured(fitted: _Fitted) -> str:
    return (
        f"nDCG@10 of the {fitted.held_out} held-out recalls: {fitted.before:.3f} by the active version, "
        f"{fitted.after:.3f} by the one fitted to the other {fitted.fitted_on}."
    )


def _no_better(fitted: _Fitted) -> str:
    return f"{_measured(fitted)} That is no gain, so nothing was registered."


def _better(fitted: _Fitted, kind: ModelKind) -> str:
    return f"{_measured(fitted)} It is the canary now; `membox models promote {kind}` makes it active."


_BASELINE: Mapping[ModelKind, Weights] = {
    ModelKind.RERANKER: dict(zip(NAMES, reranker.weights_of(None), strict=True)),
    ModelKind.SALIENCE: scoring.SALIENCE,
}
