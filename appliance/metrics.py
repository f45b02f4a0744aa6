"""How often and how fast: what the daemon counts of itself, in memory, since it started (contract memory-api, Metrics).

Not by a library: the usual one brings a web server along, and has no percentiles.
"""

import math
import threading
from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field
from time import perf_counter

from appliance.clock import Clock, system_clock, to_ms

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
_RECENT = 1024  # durations of which percentiles are made
SLOT_SECONDS = 300
_KEPT = 24 * 3600 // SLOT_SECONDS
_FOLLOWED = "recall.total"


class Latency:
    """The durations of one series: their count, sum and maximum, a histogram of all, percentiles of the last 1,024."""

    def __init__(self) -> None:
        self.count, self.total, self.longest = 0, 0.0, 0.0
        self.buckets = [0] * (len(BOUNDS) + 1)  # by upper bound, the last without one; not cumulative
        self._recent: deque[float] = deque(maxlen=_RECENT)

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self._recent.append(seconds)

    def percentile(self, share: float) -> float:
        """Seconds within which `share` (0..1) of the last durations lie, the nearest rank; 0 without any."""
        ordered = sorted(self._recent)
        return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else 0.0

    def summary(self) -> dict[str, float]:
        """The contract's fields, in milliseconds."""
        times = {
            "avg_ms": self.total / self.count if self.count else 0.0,
            "max_ms": self.longest,
            "p50_ms": self.percentile(0.50),
            "p95_ms": self.percentile(0.95),
            "p99_ms": self.percentile(0.99),
        }
        return {"count": self.count} | {name: round(seconds * 1000, 3) for name, seconds in times.items()}


@dataclass(frozen=True, slots=True)
class Slot:
    """Five minutes of recall: when they began (epoch seconds), how many recalls, and their percentiles in ms."""

    began: int
    count: int
    p50_ms: float
    p95_ms: float


@dataclass
class _Course:
    """One series over the last day."""

    began: int = 0
    now: Latency = field(default_factory=Latency)
    past: deque[Slot] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def add(self, at: int, seconds: float) -> None:
        began = at // SLOT_SECONDS * SLOT_SECONDS
        if began != self.began:
            self._close()
            self.began, self.now = began, Latency()
        self.now.add(seconds)

    def slots(self) -> list[Slot]:
        return [*self.past, self._slot()] if self.now.count else list(self.past)

    def _close(self) -> None:
        if self.now.count:
            self.past.append(self._slot())

    def _slot(self) -> Slot:
        now = self.now
        return Slot(self.began, now.count, round(now.percentile(0.5) * 1000, 3), round(now.percentile(0.95) * 1000, 3))


class Metrics:
    """Counts of requests and times of stages. Thread safe."""

    def __init__(self, clock: Clock = system_clock) -> None:
        self._lock, self._clock = threading.Lock(), clock
        self._course = _Course()
        self._statuses: Counter[str] = Counter()
        self._routes: dict[str, Latency] = {}
        self._stages: dict[str, Latency] = {}

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request; `route` is empty for a path that is none of ours."""
        with self._lock:
            self._statuses[f"{status // 100}xx"] += 1
            if route:
                self._routes.setdefault(route, Latency()).add(seconds)

    def stage(self, name: str, seconds: float) -> None:
        """Count how long one stage of some work took, such as `recall.store`."""
        with self._lock:
            self._stages.setdefault(name, Latency()).add(seconds)
            if name == _FOLLOWED:
                self._course.add(to_ms(self._clock()) // 1000, seconds)

    def laps(self, work: str) -> "Laps":
        """A stop watch for the stages of `work`, such as `recall`."""
        return Laps(self, work)

    def course(self) -> list[Slot]:
        """How recall went over the last day, oldest first; nothing of the time before the daemon started."""
        with self._lock:
            return self._course.slots()

    def snapshot(self) -> dict[str, object]:
        """The contract's `snapshot`."""
        with self._lock:
            return {
                "request_count": sum(self._statuses.values()),
                "status_counts": dict(sorted(self._statuses.items())),
                "route_counts": {route: latency.count for route, latency in sorted(self._routes.items())},
                "route_latency_ms": {route: latency.summary() for route, latency in sorted(self._routes.items())},
                "pipeline_latency_ms": {stage: latency.summary() for stage, latency in sorted(self._stages.items())},
            }

    def exposition(self) -> list[str]:
        """The same for Prometheus, a line each (text format 0.0.4)."""
        with self._lock:
            return [
                "# HELP membox_responses_total Answers by class of status.",
                "# TYPE membox_responses_total counter",
                *(f'membox_responses_total{{status="{name}"}} {n}' for name, n in sorted(self._statuses.items())),
                *_histogram("membox_request_seconds", "Requests by route.", "route", self._routes),
                *_histogram("membox_stage_seconds", "Stages of the work behind them.", "stage", self._stages),
            ]


class Laps:
    """Times the stages of one piece of work as they end, one after the other."""

    def __init__(self, metrics: Metrics, work: str) -> None:
        self._metrics, self._work = metrics, work
        self._began = self._last = perf_counter()

    def __call__(self, stage: str) -> None:
        """`stage` has just ended."""
        now = perf_counter()
        self._metrics.stage(f"{self._work}.{stage}", now - self._last)
        self._last = now

    def finish(self) -> None:
        """The work is done; counted as its stage `total`."""
        self._metrics.stage(f"{self._work}.total", perf_counter() - self._began)


def _histogram(name: str, about: str, label: str, series: dict[str, Latency]) -> list[str]:
    lines = [f"# HELP {name} {about}", f"# TYPE {name} histogram"]
    for value, latency in sorted(series.items()):
        labels = f'{label}="{value}"'
        cumulative = 0
        for bound, count in zip((*BOUNDS, "+Inf"), latency.buckets, strict=True):
            cumulative += count
            lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {cumulative}')
        lines += [f"{name}_sum{{{labels}}} {latency.total:.6f}", f"{name}_count{{{labels}}} {latency.count}"]
    return lines
