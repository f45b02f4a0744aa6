"""Whether membox is still quick and still small: a real daemon under steady use, against budgets."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from appliance.bench.chat import Chat
from appliance.bench.report import aligned, percentile
from appliance.bench.retrieval import BATCH, Progress
from appliance.bench.running_box import RunningBox, recall_body, remember_body

_REMEMBER, _RECALL = "/v0/memory/remember", "/v0/memory/recall"
_PARTS = ("avg", "p50", "p95", "p99")
_WARM_UP = 20  # recalls: what is loaded at the first use is no growth


@dataclass(frozen=True)
class Budgets:
    """The most that is allowed: milliseconds at the 95th percentile, and bytes that memory grows by."""

    max_remember_p95_ms: float
    max_recall_p95_ms: float
    max_memory_growth_bytes: float


@dataclass(frozen=True)
class Steady:
    """What was measured: milliseconds of each request, and the growth in bytes (None: the kernel does not say)."""

    seed_count: int
    remember_ms: Sequence[float]
    recall_ms: Sequence[float]
    growth_bytes: float | None

    def violations(self, budgets: Budgets) -> list[str]:
        """Every budget that was passed, as `what_exceeded:measured>budget`."""
        measured = (
            ("remember_p95_ms", percentile(self.remember_ms, 95), budgets.max_remember_p95_ms),
            ("recall_p95_ms", percentile(self.recall_ms, 95), budgets.max_recall_p95_ms),
            ("memory_growth", self.growth_bytes or 0.0, budgets.max_memory_growth_bytes),
        )
        return [f"{name}_exceeded:{value:.3f}>{most:.3f}" for name, value, most in measured if value > most]

    def as_json(self, budgets: Budgets) -> dict[str, Any]:
        """Measurement, budgets and verdict, with the names that Brainstem's suite gives them."""
        violations = self.violations(budgets)
        return {
            "summary": {
                "config": {"iterations": len(self.recall_ms), "seed_count": self.seed_count},
                "metrics": {"remember_ms": _summary(self.remember_ms), "recall_ms": _summary(self.recall_ms)},
                "memory": {"growth_bytes": self.growth_bytes},
            },
            "budgets": asdict(budgets),
            "violations": violations,
            "pass": not violations,
        }


def measure_steady(directory: Path, iterations: int, seed_count: int, progress: Progress) -> Steady:
    """Remember `seed_count` items in a box made in `directory`, then `iterations` times one item and one question."""
    chat = Chat()
    texts = list(chat.messages(seed_count))
    with RunningBox(directory / "home") as box, closing(box.line()) as line:
        with progress("seed", seed_count) as step:
            for start in range(0, seed_count, BATCH):
                batch = texts[start : start + BATCH]
                line.post(_REMEMBER, remember_body(batch))
                step(len(batch))
        for text in chat.messages(_WARM_UP):
            line.post(_REMEMBER, remember_body([text]))
            line.post(_RECALL, recall_body(chat.question(text)))
        before, remember, recall = box.memory(), [], []
        with progress("remember and recall", iterations) as step:
            for text in chat.messages(iterations):
                remember.append(line.post(_REMEMBER, remember_body([text])) * 1e3)
                recall.append(line.post(_RECALL, recall_body(chat.question(text))) * 1e3)
                step(1)
        after = box.memory()
    growth = None if before is None or after is None else max(0.0, after - before) * 2**20
    return Steady(seed_count, remember, recall, growth)


def markdown(result: dict[str, Any]) -> str:
    """What `Steady.as_json` gave, for people."""
    summary, budgets = result["summary"], result["budgets"]
    metrics, growth = summary["metrics"], summary["memory"]["growth_bytes"]
    rows = [
        [name, *(f"{metrics[f'{name}_ms'][part]:.2f}" for part in _PARTS), f"{budgets[f'max_{name}_p95_ms']:.2f}"]
        for name in ("remember", "recall")
    ]
    grown = "not measured" if growth is None else f"{growth / 1e6:.1f} MB"
    return "\n\n".join(
        [
            "# Performance regression",
            f"{summary['config']['iterations']} iterations after {summary['config']['seed_count']} items.",
            aligned(["ms", *_PARTS, "budget for p95"], rows, right=range(1, 6)),
            f"Memory grew by {grown}; the budget is {budgets['max_memory_growth_bytes'] / 1e6:.1f} MB.",
            "Every budget is kept." if result["pass"] else f"Past its budget: {', '.join(result['violations'])}.",
        ]
    )


def _summary(times: Sequence[float]) -> dict[str, float]:
    percents = {f"p{percent}": percentile(times, percent) for percent in (50, 95, 99)}
    return {"count": len(times), "avg": fmean(times), **percents}
