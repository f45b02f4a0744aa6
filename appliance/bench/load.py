"""Several clients at once, in a process of their own so that measuring costs the measured as little as possible.

`python -m appliance.bench.load` reads a JSON `Load` from stdin, says `ready` in a line when every client is
connected, begins at once, and prints a JSON `Done`.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import chain, cycle
from time import monotonic, perf_counter
from typing import TextIO, cast

from appliance.bench.running_box import Line, recall_body, remember_body
from appliance.errors import UnavailableError


@dataclass(frozen=True)
class Load:
    """Each writer remembers its texts one by one, each reader asks its queries; over when all are done or time is up.

    With `again` readers begin anew until the writers are done.
    """

    address: str
    key: str
    writers: list[list[str]]
    readers: list[list[str]]
    seconds: float
    again: bool = False


@dataclass(frozen=True)
class Done:
    """What was answered, the seconds it took in all, and those of each recall."""

    written: int
    recalled: int
    seconds: float
    recall_seconds: list[float]


@contextmanager
def running(load: Load) -> Iterator[Callable[[], Done]]:
    """Begin `load`; what this gives waits for its end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "appliance.bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    to, answers = cast(TextIO, process.stdin), cast(TextIO, process.stdout)
    try:
        json.dump(asdict(load), to)
        to.close()
        answers.readline()
        yield lambda: _result(answers.read())
    finally:
        process.kill()
        process.wait()
        answers.close()


def _result(text: str) -> Done:
    if not text:
        raise UnavailableError("clients_failed", "The clients could not do their work; what stopped them stands above.")
    return Done(**json.loads(text))


class _Clients:
    def __init__(self, load: Load) -> None:
        self._load = load
        self._written = [0] * len(load.writers)
        self._recalls: list[list[float]] = [[] for _ in load.readers]
        self._writing = len(load.writers)
        self._begin = threading.Barrier(len(load.writers) + len(load.readers) + 1)
        self._until = monotonic() + load.seconds
        self._counting = threading.Lock()
        self._faults: list[BaseException] = []

    def run(self) -> Done:
        threads = [threading.Thread(target=self._guarded, args=(self._write, i)) for i in range(len(self._written))]
        threads += [threading.Thread(target=self._guarded, args=(self._ask, i)) for i in range(len(self._recalls))]
        for thread in threads:
            thread.start()
        with suppress(threading.BrokenBarrierError):  # a client could not connect: told below
            self._begin.wait()
        begin = perf_counter()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for thread in threads:
            thread.join()
        if self._faults:
            raise self._faults[0]
        recalls = list(chain.from_iterable(self._recalls))
        return Done(sum(self._written), len(recalls), perf_counter() - begin, recalls)

    def _guarded(self, client: Callable[[int, Line], None], number: int) -> None:
        try:
            with closing(Line(self._load.address, self._load.key)) as line:
                client(number, line)
        except BaseException as fault:  # noqa: BLE001 - raised again by the main thread
            self._faults.append(fault)
            self._begin.abort()

    def _write(self, number: int, line: Line) -> None:
        bodies = [remember_body([text]) for text in self._load.writers[number]]
        line.get("/healthz")
        self._begin.wait()
        for body in bodies:
            if monotonic() > self._until:
                break
            line.post("/v0/memory/remember", body)
            self._written[number] += 1
        with self._counting:
            self._writing -= 1

    def _ask(self, number: int, line: Line) -> None:
        bodies = [recall_body(query) for query in self._load.readers[number]]
        line.get("/healthz")
        self._begin.wait()
        for body in cycle(bodies) if self._load.again else bodies:
            if monotonic() > self._until or (self._load.again and not self._writing):
                break
            self._recalls[number].append(line.post("/v0/memory/recall", body))


if __name__ == "__main__":
    json.dump(asdict(_Clients(Load(**json.load(sys.stdin))).run()), sys.stdout)
