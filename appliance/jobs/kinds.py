"""What a kind of job is, and how its work is written.

    def work(running: Running) -> Finish:
        for batch in ...:
            running.step(lambda conn: ...)         # optional: a transaction on the way; what it returns is kept
        found = ...                                # reading and computing, outside of any transaction
        return lambda conn: {"count": store(conn, found)}

What is returned runs in the transaction that completes the job, and its result becomes the job's. So whatever the work
writes, it writes once: after a crash the job begins again with the progress of its last step.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection

from appliance.errors import InvalidError, UnavailableError
from appliance.jobs.queue import Job, LeaseLostError, Queue

type Result = dict[str, Any]
type Finish = Callable[[Connection], Result]
type Handler = Callable[[Running], Finish]
type Telling = Callable[[Connection, Job, bool], Result]


def _as_stored(_conn: Connection, job: Job, _explain: bool) -> Result:
    return job.result or {}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job.

    Args:
        name: its word in the contract.
        work: does it. It raises InvalidError for a job that no attempt can do, any other error to be tried again.
        version: the newest payload that `work` understands; newer ones wait for a newer worker.
        tell: what a caller gets as the result of a completed job (with more, when asked to explain); the stored one
            by default. A result that repeats items' words stores where they are, and reads them here: forgotten
            words are then in no job either.
    """

    name: str
    work: Handler
    version: int = 1
    tell: Telling = _as_stored


class Running:
    """A job that is being worked on."""

    def __init__(self, queue: Queue, job: Job, stopping: threading.Event) -> None:
        self.job = job
        self.progress = job.progress
        self.is_lost = False
        self._queue, self._stopping = queue, stopping

    def payload[M: BaseModel](self, model: type[M]) -> M:
        """The job's payload as `model`; raises InvalidError when it is none."""
        try:
            return model.model_validate(self.job.payload)
        except ValidationError as fault:
            raise InvalidError("bad_payload", "The job's payload is not one of its kind; queue it anew.") from fault

    def step(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work`, short, in a transaction that counts only while this job is ours; keep its result as progress.

        Raises as `proceed` does.
        """
        self.proceed()
        self.progress = self._queue.step(self.job, work)
        return self.progress

    def proceed(self) -> None:
        """Ask in long work, now and then, whether to go on.

        Raises:
            LeaseLostError: another worker has the job now.
            UnavailableError: this worker is to end; the job goes back, and the attempt does not count.
        """
        if self.is_lost:
            raise LeaseLostError("lease_lost", f"The job {self.job.job_id} was given back.")
        if self._stopping.is_set():
            raise UnavailableError("shutting_down", "The worker is ending; the job goes back into the queue.")
