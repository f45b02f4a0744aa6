"""Counting requests and times: what is counted is what is told, in JSON and for Prometheus."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from appliance.metrics import BOUNDS, Latency, Metrics


def test_percentiles_are_durations_that_occurred() -> None:
    latency = Latency()
    for milliseconds in range(1, 101):
        latency.add(milliseconds / 1000)
    summary = latency.summary()
    assert (summary["p50_ms"], summary["p95_ms"], summary["p99_ms"]) == (50, 95, 99)
    assert (summary["count"], summary["avg_ms"], summary["max_ms"]) == (100, 50.5, 100)


def test_nothing_counted_is_all_zero() -> None:
    assert set(Latency().summary().values()) == {0}


@given(st.lists(st.floats(0, 20), max_size=50))
def test_every_duration_is_in_the_bucket_of_its_bound(durations: list[float]) -> None:
    latency = Latency()
    for seconds in durations:
        latency.add(seconds)
    for position, bound in enumerate(BOUNDS):
        assert sum(latency.buckets[: position + 1]) == sum(seconds <= bound for seconds in durations)
    assert sum(latency.buckets) == len(durations)


def test_a_path_that_is_none_of_ours_becomes_no_series() -> None:
    metrics = Metrics()
    metrics.request("", 404, 0.001)
    metrics.request("GET /healthz", 200, 0.001)
    told: Any = metrics.snapshot()
    assert told["request_count"] == 2
    assert told["status_counts"] == {"2xx": 1, "4xx": 1}
    assert told["route_counts"] == {"GET /healthz": 1}


def test_stages_are_told_by_the_work_they_belong_to() -> None:
    metrics = Metrics()
    lap = metrics.laps("recall")
    lap("store")
    lap("rank")
    lap.finish()
    told: Any = metrics.snapshot()
    assert set(told["pipeline_latency_ms"]) == {"recall.store", "recall.rank", "recall.total"}


def test_the_course_of_recall_keeps_a_day() -> None:
    now = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    metrics = Metrics(lambda: now)
    for _ in range(300):
        metrics.stage("recall.total", 0.010)
        metrics.stage("recall.total", 0.030)
        now += timedelta(minutes=5)
    course = metrics.course()
    assert len(course) <= 289
    assert {(slot.count, slot.p50_ms, slot.p95_ms) for slot in course} == {(2, 10.0, 30.0)}
    assert course[-1].began == int((now - timedelta(minutes=5)).timestamp())


def test_no_count_is_lost_between_threads() -> None:
    metrics = Metrics()

    def count() -> None:
        for _ in range(2000):
            metrics.request("GET /healthz", 200, 0.001)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told: Any = metrics.snapshot()
    assert told["route_latency_ms"]["GET /healthz"]["count"] == 8000


def test_prometheus_gets_cumulative_buckets() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.004, 60.0):
        metrics.request("GET /healthz", 200, seconds)
    lines = metrics.exposition()
    assert 'membox_request_seconds_bucket{route="GET /healthz",le="0.001"} 1' in lines
    assert 'membox_request_seconds_bucket{route="GET /healthz",le="10.0"} 2' in lines
    assert 'membox_request_seconds_bucket{route="GET /healthz",le="+Inf"} 3' in lines
    assert 'membox_request_seconds_count{route="GET /healthz"} 3' in lines
