"""/healthz asked again and again by a process of its own, while other things are measured.

`python -m appliance.bench.pulse ADDRESS` reads a key from stdin, says `ready`, asks until stdin ends, and prints the
seconds of each answer as JSON.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import TextIO, cast

from appliance.bench.running_box import Line
from appliance.errors import UnavailableError

_PAUSE_SECONDS = 0.05


@contextmanager
def pulse(address: str, key: str) -> Iterator[list[float]]:
    """Ask the box at `address` from here to the end; the list has the seconds of every answer then."""
    command = [sys.executable, "-m", "appliance.bench.pulse", address]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    to, answers = cast(TextIO, process.stdin), cast(TextIO, process.stdout)
    times: list[float] = []
    try:
        with suppress(BrokenPipeError):  # it could not connect: told below
            to.write(f"{key}\n")
            to.flush()
        answers.readline()
        yield times
        to.close()
        times += _result(answers.read())
    finally:
        process.kill()
        process.wait()
        answers.close()


def _result(text: str) -> list[float]:
    if not text:
        raise UnavailableError(
            "clients_failed", "/healthz could not be asked to the end; what stopped it stands above."
        )
    return cast(list[float], json.loads(text))


def _ask(address: str, key: str) -> list[float]:
    ended = threading.Event()
    times: list[float] = []

    def wait_for_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    with closing(Line(address, key)) as line:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        times.append(line.get("/healthz"))
        while not ended.wait(_PAUSE_SECONDS):
            times.append(line.get("/healthz"))
    return times


if __name__ == "__main__":
    json.dump(_ask(sys.argv[1], sys.stdin.readline().strip()), sys.stdout)
