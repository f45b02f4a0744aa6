"""What is measured, in which order, and which aim belongs to it (docs/benchmarks.md)."""

import random
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from time import perf_counter, sleep

from appliance.bench.chat import Chat
from appliance.bench.floor import Floor, Stored, together
from appliance.bench.hook import hook_times
from appliance.bench.load import Done, Load, running
from appliance.bench.pulse import pulse
from appliance.bench.report import Result, percentile
from appliance.bench.running_box import RunningBox, note_body, recall_body, remember_body
from appliance.home import NOTEBOOK_DIRECTORY
from appliance.text import content_words

BATCH = 100
CLIENTS = 8
FOUND = 12  # recall's default number of items
_AIMED_SIZE = 100_000
_ROUNDS = 4  # ours and the floor take turns, so that a busy moment of the machine meets both
_TURN = 5_000  # items
MILLION = 1_000_000
_ENDLESS = 100_000.0
_POLL_SECONDS = 0.1
_BATCH_RATE = 10_000  # items a second
_NO_VECTORS = ", no vectors"
_IDLE_MB = 65  # without vectors (DESIGN)
_MOST_MB = {"off": 110, "light": 200, "better": 400}  # after recalls, by embedding (DESIGN)


@dataclass(frozen=True)
class Plan:
    """How much is measured: numbers of items, requests, seconds."""

    sizes: tuple[int, ...] = (1_000, 10_000, 100_000)
    singles: int = 400
    per_client: int = 500
    notes: int = 120
    questions: int = 200
    recalls: int = 1_000
    load_seconds: float = 8.0
    commands: int = 9
    prompts: int = 60
    embedding: str = "light"


QUICK = Plan((1_000, 5_000), singles=120, per_client=60, notes=40, questions=60, recalls=200, load_seconds=3.0)


class Measurement:
    """One run: a box and a floor grow together; every figure of the one stands beside that of the other."""

    def __init__(self, box: RunningBox, floor: Floor, plan: Plan, say: Callable[[str], None]) -> None:
        self._box, self._floor, self._plan, self._say = box, floor, plan, say
        self._chat = Chat()
        self._pick = random.Random(2)  # noqa: S311 - reproducible
        self._texts: list[str] = []
        self._stored = Stored(box.database)
        self._line = box.line()
        self._kind = _NO_VECTORS if plan.embedding == "off" else f", {plan.embedding}"
        self.results: list[Result] = []

    def run(self) -> list[Result]:
        """Measure everything."""
        self._memory_idle()
        self._round_trips()
        with pulse(self._box.address, self._box.key) as healthz:
            for size in self._plan.sizes:
                self._fill(size)
                self._catch_up()
                self._recalls(size)
                self._recalls_together(size)
            self._single()
            self._together()
            self._capture()
            self._memory_after_recalls()
        self._add("/healthz throughout, p95", healthz, 95, "≤ 20 ms", 0.020)
        self._under_load()
        self._note_command()
        self._hook()
        self._line.close()
        return self.results

    def without_vectors(self, box: RunningBox) -> list[Result]:
        """The same questions to the same items, in `box`, whose daemon was started anew without vectors."""
        self._box, self._line = box, box.line()
        self._kind = _NO_VECTORS
        self._memory_idle()
        self._recalls(self._plan.sizes[-1])
        self._recalls_together(self._plan.sizes[-1])
        self._memory_after_recalls()
        self._line.close()
        return self.results

    def close(self) -> None:
        """Let go of the box's database."""
        self._stored.close()

    def _round_trips(self) -> None:
        times = [self._line.get("/healthz") for _ in range(max(200, self._plan.singles))]
        self._add("/healthz round trip, p50", times, 50)
        self._add("/healthz round trip, p95", times, 95)

    def _fill(self, size: int) -> None:
        self._say(f"fill to {size:,} items, {BATCH} a request, taking turns with bare SQLite")
        ours, floor = [], []
        while missing := size - len(self._texts):
            texts = list(self._chat.messages(min(missing, _TURN)))
            bodies = [remember_body(list(batch)) for batch in batched(texts, BATCH, strict=False)]
            ours += [self._line.post("/v0/memory/remember", body) for body in bodies]
            batches = [together(batch) for batch in batched(self._stored.new_items(), BATCH, strict=False)]
            floor += [self._floor.store(batch) for batch in batches]
            self._texts += texts
        if size == self._plan.sizes[-1]:
            mean, floor_mean = sum(ours) / len(ours), sum(floor) / len(floor)
            self._say(f"  {BATCH / mean:,.0f} items/s beside {BATCH / floor_mean:,.0f} items/s")
            name = f"remember, {BATCH} a request, mean to {size:,}"
            self._compare(name, mean, floor_mean, "≤ 2 × floor", mean <= 2 * floor_mean)
            rate, floor_rate = BATCH / mean, BATCH / floor_mean
            met = rate >= _BATCH_RATE if floor_rate >= _BATCH_RATE else None
            aim = f"≥ {_BATCH_RATE:,} where the floor allows"
            self.results.append(Result("remember in batches, a second", "items", rate, floor_rate, aim, met))

    def _catch_up(self) -> None:
        """Wait until every item has its vector, and say how fast that went."""
        if self._plan.embedding == "off" or not (missing := self._stored.without_vector()):
            return
        begin = perf_counter()
        while self._stored.without_vector():
            sleep(_POLL_SECONDS)
        self._anew()
        self._say(f"  the last {missing:,} vectors took {perf_counter() - begin:.1f} s more")

    def _recalls(self, size: int) -> None:
        self._say(f"recall from {size:,} items")
        questions = self._questions(self._plan.questions)
        for question in questions[:20]:
            self._line.post("/v0/memory/recall", recall_body(question))
            self._floor.find(content_words(question), FOUND)
        ours, floor = [], []
        before = self._spent()
        for part in _turns(questions):
            ours += [self._line.post("/v0/memory/recall", recall_body(question)) for question in part]
            floor += [self._floor.find(content_words(question), FOUND) for question in part]
        for percent in (50, 95):
            mine, least = percentile(ours, percent), percentile(floor, percent)
            aimed = percent == 95 and size >= _AIMED_SIZE
            name = f"recall at {size:,}, p{percent}{self._kind}"
            self._compare(name, mine, least, "≤ 3 × floor" if aimed else "", mine <= 3 * least if aimed else None)

        if size == self._plan.sizes[-1]:
            self._stages(f"recall at {size:,}", before, self._spent())

    def _spent(self) -> dict[str, tuple[int, float]]:
        """How often each stage of recall was gone through so far, and the milliseconds it took in all."""
        stages = self._line.told("/v0/metrics")["snapshot"]["pipeline_latency_ms"]
        spent = {name.partition(".")[2]: each for name, each in stages.items() if name.startswith("recall.")}
        return {stage: (each["count"], each["count"] * each["avg_ms"]) for stage, each in spent.items()}

    def _stages(self, name: str, before: dict[str, tuple[int, float]], after: dict[str, tuple[int, float]]) -> None:
        for stage, (count, spent) in after.items():
            count_before, spent_before = before[stage]
            mean = (spent - spent_before) / (count - count_before)
            self.results.append(Result(f"{name}, {stage}, mean{self._kind}", "ms", mean))

    def _recalls_together(self, size: int) -> None:
        self._say(f"recall from {size:,} items by {CLIENTS} clients at once")
        questions = self._questions(self._plan.questions)
        done = self._loaded([], [questions[client::CLIENTS] for client in range(CLIENTS)], _ENDLESS)
        floor = [self._floor.find(content_words(question), FOUND) for question in questions]
        name = f"recall at {size:,}, {CLIENTS} clients"
        self._add(f"{name}, p95{self._kind}", done.recall_seconds, 95)
        rate, floor_rate = done.recalled / done.seconds, len(floor) / sum(floor)
        self.results.append(Result(f"{name}, a second{self._kind}", "recalls", rate, floor_rate))

    def _single(self) -> None:
        self._say("remember one by one, one client")
        ours, floor, trips = [], [], []
        for part in _turns(list(self._chat.messages(self._plan.singles))):
            trips += [self._line.get("/healthz") for _ in part]
            ours += [self._line.post("/v0/memory/remember", remember_body([text])) for text in part]
            floor += [self._floor.store(rows) for rows in self._stored.new_items()]
        trip, least, mine = percentile(trips, 50), percentile(floor, 50), percentile(ours, 50)
        most = least + 3 * trip
        aim = f"≤ {most * 1e3:.2f} ms: floor + 3 round trips"
        self._compare("remember one, p50", mine, least, aim, mine <= most)
        self._compare("remember one, p95", percentile(ours, 95), percentile(floor, 95))

    def _together(self) -> None:
        self._say(f"remember one by one, {CLIENTS} clients at once")
        texts = [list(self._chat.messages(self._plan.per_client)) for _ in range(CLIENTS)]
        done = self._loaded(texts, [], _ENDLESS)
        rows = self._stored.new_items()
        rate, floor_rate = done.written / done.seconds, len(rows) / sum(self._floor.store(each) for each in rows)
        name = f"remember one, {CLIENTS} clients, a second"
        met = rate >= floor_rate / 2
        self.results.append(Result(name, "items", rate, floor_rate, "≥ 0.5 × floor", met))

    def _capture(self) -> None:
        self._say("capture notes")
        ours, floor = [], []
        root = self._box.home / NOTEBOOK_DIRECTORY
        first = True
        for number, text in enumerate(self._chat.messages(self._plan.notes + 1)):
            key = f"bench-{number}"
            seconds = self._line.post("/note", note_body(text), {"Idempotency-Key": key})
            if first:  # the day's file begins here, and what the notebook offered at the start comes along
                first = False
                self._floor.store(together(self._stored.new_items()))
                self._floor.store(self._stored.everything("documents"))
                continue
            rows, path = self._stored.new_note(key)
            ours.append(seconds)
            floor.append(self._floor.store_with_file(rows, path, (root / path).read_bytes()))
        self._compare("capture a note, p50", percentile(ours, 50), percentile(floor, 50))
        self._compare("capture a note, p95", percentile(ours, 95), percentile(floor, 95))

    def _under_load(self) -> None:
        self._say(f"/healthz while {CLIENTS} clients write and two recall, {self._plan.load_seconds:g} s")
        enough = int(self._plan.load_seconds * 500)
        texts = [list(self._chat.messages(enough)) for _ in range(CLIENTS)]
        load = self._load(texts, [self._questions(50), self._questions(50)], self._plan.load_seconds, again=True)
        times = []
        with running(load) as done:
            for _ in range(int(self._plan.load_seconds / 0.02)):
                times.append(self._line.get("/healthz"))
                sleep(0.01)
            ended = done()
        self._say(f"  meanwhile {ended.written:,} items were remembered and {ended.recalled:,} recalls answered")
        self._add("/healthz under load, p95", times, 95, "≤ 20 ms", 0.020)

    def _memory_idle(self) -> None:
        sleep(1.0)  # let the start's own work end
        memory = self._box.memory()
        name = f"memory of all processes, idle{self._kind}"
        most = _IDLE_MB if self._kind == _NO_VECTORS else _MOST_MB[self._plan.embedding]
        self.results.append(Result(name, "MB", memory, None, f"≤ {most} MB", _under(memory, most)))

    def _memory_after_recalls(self) -> None:
        count = self._plan.recalls
        self._say(f"memory after {count:,} recalls by four clients")
        self._loaded([], [self._questions(count // 4) for _ in range(4)], _ENDLESS)
        memory = self._box.memory()
        name = f"memory after {count:,} recalls at {self._plan.sizes[-1]:,}{self._kind}"
        most = _MOST_MB["off" if self._kind == _NO_VECTORS else self._plan.embedding]
        self.results.append(Result(name, "MB", memory, None, f"≤ {most} MB", _under(memory, most)))

    def _note_command(self) -> None:
        self._say("membox note")
        words = list(self._chat.messages(self._plan.commands + 1))
        times = [self._box.command("note", text) for text in words][1:]
        self._add("`membox note` through the daemon, p50", times, 50, "< 150 ms", 0.150)

    def _hook(self) -> None:
        if shutil.which("curl") is None:
            self._say("no hook: it calls the box by curl, which is not there")
            return
        self._say("a message, told by Claude Code's hook")
        times = hook_times(self._box, self._box.home.parent, self._chat.messages(self._plan.prompts + 1))
        self._add("a message's hook, start to durable, p50", times, 50)
        self._add("a message's hook, start to durable, p95", times, 95, "≤ 50 ms", 0.050)

    def _questions(self, count: int) -> list[str]:
        return [self._chat.question(text) for text in self._pick.choices(self._texts, k=count)]

    def _loaded(self, writers: list[list[str]], readers: list[list[str]], seconds: float) -> Done:
        with running(self._load(writers, readers, seconds)) as done:
            ended = done()
        self._anew()
        return ended

    def _anew(self) -> None:
        """Connect again: a connection that was silent for long is hung up by the daemon."""
        self._line.close()
        self._line = self._box.line()

    def _load(self, writers: list[list[str]], readers: list[list[str]], seconds: float, again: bool = False) -> Load:
        return Load(self._box.address, self._box.key, writers, readers, seconds, again)

    def _compare(self, name: str, ours: float, floor: float, aim: str = "", met: bool | None = None) -> None:
        self.results.append(Result(name, "ms", ours * 1e3, floor * 1e3, aim, met))

    def _add(self, name: str, times: Sequence[float], percent: float, aim: str = "", most: float | None = None) -> None:
        value = percentile(times, percent)
        self.results.append(Result(name, "ms", value * 1e3, None, aim, value <= most if most else None))


def measure(directory: Path, plan: Plan, say: Callable[[str], None]) -> list[Result]:
    """Measure a box and a floor that are made in the empty `directory`."""
    floor = Floor(directory / "floor" / "floor.db")
    try:
        with RunningBox(directory / "home", plan.embedding) as box:
            measurement = Measurement(box, floor, plan, say)
            results = measurement.run()
        if plan.embedding != "off":
            with RunningBox(directory / "home", "off") as box:
                results = measurement.without_vectors(box)
        measurement.close()
        return results
    finally:
        floor.close()


def _turns(work: list[str]) -> Iterable[tuple[str, ...]]:
    return batched(work, -(-len(work) // _ROUNDS), strict=False)


def _under(value: float | None, most: float) -> bool | None:
    return value <= most if value is not None else None
