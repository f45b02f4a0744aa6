"""Who works on the queued jobs: the daemon, on threads of its own, or `membox worker`, apart.

On SQLite a home has one process, so one that begins finds no job at work but what a dead one left. On PostgreSQL any
number of workers share the queue.
"""

import logging
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from appliance import lease
from appliance.config import Config, load_config
from appliance.daemon.lifecycle import stop_on_signals, was_told_to_stop
from appliance.errors import NotConfiguredError, UnavailableError
from appliance.jobs import Worker
from appliance.lease import COMMAND, DAEMON, Lease

if TYPE_CHECKING:
    from appliance.box import Box

THREADS = 2  # one long job does not hold up the short ones
_STOP_SECONDS = 20.0
_PAUSE_SECONDS = 1.0
_log = logging.getLogger(__name__)


class Workers:
    """Threads that work on a box's jobs until they are stopped."""

    def __init__(self, box: "Box", threads: int = THREADS) -> None:
        self._box = box
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, name="worker", daemon=True) for _ in range(threads)]
        self._begun = threading.Lock()
        self._is_begun = box.database.is_shared

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End: jobs at work go back, or are finished; one that does neither is left to its lease."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set() and not self._begin():
            self._stopping.wait(_PAUSE_SECONDS)
        Worker(self._box.jobs.queue, self._box.jobs.kinds, self._stopping).run()

    def _begin(self) -> bool:
        """Take back what a dead process left, before any thread works; False while that cannot be written."""
        with self._begun:
            if self._is_begun:
                return True
            try:
                self._box.jobs.queue.take_back_all()
            except UnavailableError:  # writes are held
                return False
            except Exception:  # noqa: BLE001 - without this the queue would stand still; their leases end as well
                _log.exception("what was left at work could not be taken back; its leases end by themselves")
            self._is_begun = True
            return True


def work(home: Path, once: bool) -> int:
    """Work on the jobs of `home` until told to stop, or `once`, until none is due; how many were worked on then.

    Raises:
        UnavailableError: `daemon_works`, the home's daemon does that itself; `home_in_use`, another command has it.
        NotConfiguredError: `worker_disabled`, the daemon could but is set not to.
        StorageError: the box cannot be opened.
    """
    from appliance.box import open_box

    config = load_config(home)
    is_shared = config.store.backend == "postgres"
    with ExitStack() as at_end:
        if not is_shared:
            at_end.callback(_hold(home, config).release)
        box = open_box(home, config=config, keeps=not is_shared)
        at_end.callback(box.close)
        if once:
            if not is_shared:
                box.jobs.queue.take_back_all()
            worker, count = Worker(box.jobs.queue, box.jobs.kinds), 0
            while worker.run_one():
                count += 1
            return count
        stopping = stop_on_signals()
        workers = Workers(box, threads=1)
        workers.start()
        at_end.callback(workers.stop)
        while not was_told_to_stop(stopping, within=3600.0):
            pass
        return 0


def _hold(home: Path, config: Config) -> Lease:
    holder = lease.holder(home)
    if holder is None or holder.what != DAEMON:
        return Lease.acquire(home, COMMAND)
    if config.jobs.worker_enabled:
        raise UnavailableError(
            "daemon_works", f"The daemon of {home} works on the jobs itself; `membox jobs list` shows them."
        )
    raise NotConfiguredError(
        "worker_disabled",
        f"The daemon of {home} has the home to itself and is set not to work on jobs: `membox config set "
        "jobs.worker_enabled true` and start it again, or stop it and run this.",
    )
