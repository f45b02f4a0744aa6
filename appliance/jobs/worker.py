"""A worker: claims a job, works on it, gives signs of life meanwhile, and says how it went."""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from appliance.errors import InvalidError, MemboxError, UnavailableError
from appliance.jobs.kinds import Kind, Running
from appliance.jobs.queue import Job, LeaseLostError, Queue

_POLL_SECONDS = 0.5
_TROUBLE_SECONDS = 5.0
_LONGEST_SECONDS = 3600.0  # after which a job counts as hung, and gets no more signs of life
_ERROR_CHARACTERS = 500
_log = logging.getLogger(__name__)


class Worker:
    """Works on the jobs of `queue` whose kind it knows, one at a time.

    Args:
        queue: the box's queue.
        kinds: what it can do, by name.
        stopping: set to end it; the job it is at goes back as soon as that can be.
    """

    def __init__(self, queue: Queue, kinds: Mapping[str, Kind], stopping: threading.Event | None = None) -> None:
        self.name = f"{socket.gethostname()[:64]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._queue, self._kinds = queue, kinds
        self._versions = {name: kind.version for name, kind in kinds.items()}
        self._stopping = stopping or threading.Event()

    def run(self) -> None:
        """Work until `stopping` is set; whatever goes wrong is logged, and then it goes on."""
        while not self._stopping.is_set():
            pause = _POLL_SECONDS
            try:
                if self.run_one():
                    continue
            except UnavailableError:
                pause = _TROUBLE_SECONDS  # writes are held, or the database is away for a moment
            except Exception:  # noqa: BLE001 - a worker that ended would be missed by nobody until it is too late
                _log.exception("the queue cannot be worked on; it is tried again")
                pause = _TROUBLE_SECONDS
            self._stopping.wait(pause)

    def run_one(self) -> bool:
        """Work on the next job; False when none is due.

        Raises UnavailableError, StorageError, StorageFullError: the queue itself cannot be read or written.
        """
        job = self._queue.claim(self.name, self._versions)
        if job is None:
            return False
        _log.info("job %s (%s) begins, attempt %d of %d", job.job_id, job.kind, job.attempts, job.max_attempts)
        try:
            self._work(job)
        except LeaseLostError as lost:
            _log.warning("%s", lost.sentence)
        return True

    def _work(self, job: Job) -> None:
        running = Running(self._queue, job, self._stopping)
        try:
            with self._signs_of_life(running):
                finish = self._kinds[job.kind].work(running)
                running.proceed()
            self._queue.complete(job, finish)
        except LeaseLostError:
            raise
        except UnavailableError as fault:
            _log.info("job %s goes back: %s", job.job_id, fault.sentence)
            with suppress(UnavailableError):  # then its lease ends
                self._queue.give_back(job)
        except MemboxError as fault:
            _log.warning("job %s (%s) failed: %s", job.job_id, job.kind, fault.sentence)
            told = f"{fault.word}: {fault.sentence}"[:_ERROR_CHARACTERS]
            self._queue.fail(job, told, for_good=isinstance(fault, InvalidError))
        except Exception as fault:  # noqa: BLE001 - logged, and the attempt recorded as failed
            _log.exception("job %s (%s) failed", job.job_id, job.kind)
            # Of the fault only its kind is told: its words may be those of an item.
            self._queue.fail(job, f"internal_error: {type(fault).__name__}; the log of the worker says where.")

    @contextmanager
    def _signs_of_life(self, running: Running) -> Iterator[None]:
        ended = threading.Event()
        thread = threading.Thread(target=self._renew, args=(running, ended), name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _renew(self, running: Running, ended: threading.Event) -> None:
        since = time.monotonic()
        while not ended.wait(self._queue.lease_seconds / 3):
            if time.monotonic() - since > _LONGEST_SECONDS:
                _log.error("job %s hangs; it is given to another worker", running.job.job_id)
                return
            try:
                self._queue.renew(running.job)
            except LeaseLostError:
                running.is_lost = True
                return
            except MemboxError as fault:
                _log.warning("the lease of job %s could not be prolonged: %s", running.job.job_id, fault.sentence)
