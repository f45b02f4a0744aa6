"""What the daemon counts of itself, as JSON and for Prometheus (contract memory-api, Metrics)."""

import os
import resource
from pathlib import Path
from typing import Any

from appliance import __version__
from appliance.principal import Role
from appliance.web.endpoint import Answer, Reach, Request, endpoint
from appliance.web.meta import Meta, meta

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class MetricsAnswer(Meta):
    """How the box is set up, and what it has counted since it started."""

    snapshot: dict[str, Any]


@endpoint(
    "GET",
    "/v0/metrics",
    role=Role.ADMIN,
    reach=Reach.ANY,
    answer=MetricsAnswer,
    summary="Requests, and how long they and the stages of recall take.",
)
def metrics(request: Request) -> MetricsAnswer:
    """The counts as JSON."""
    return MetricsAnswer(**meta(request).model_dump(), snapshot=request.box.metrics.snapshot())


@endpoint(
    "GET",
    "/metrics",
    role=Role.ADMIN,
    reach=Reach.ANY,
    content_type=PROMETHEUS,
    summary="The same as text for Prometheus.",
)
def prometheus(request: Request) -> Answer:
    """The counts as Prometheus reads them; items and jobs are those of the caller's tenant."""
    box = request.box
    gauges = {
        "membox_info": (f'{{version="{__version__}",store="{box.database.backend}"}}', 1),
        "membox_memory_items": ("", box.memory.growth(request.principal).total),
        "membox_database_bytes": ("", box.database.size()),
        "membox_resident_bytes": ("", resident_bytes()),
        "membox_hook_failures": ("", box.sessions.hook_failures()),
    }
    lines = [
        line for name, (labels, value) in gauges.items() for line in (f"# TYPE {name} gauge", f"{name}{labels} {value}")
    ]
    jobs = box.jobs.counts(request.principal)
    lines += ["# TYPE membox_jobs gauge", *(f'membox_jobs{{status="{status}"}} {jobs[status]}' for status in jobs)]
    return Answer(200, ("\n".join([*lines, *box.metrics.exposition()]) + "\n").encode(), PROMETHEUS)


def resident_bytes() -> int:
    """How much memory the daemon has now; where the system does not say, the most it ever had."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")
