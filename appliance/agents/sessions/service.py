"""Sessions of agents: what their hooks say, what they write and read themselves, and whether the buffer keeps up
(contract notebook, Session protocol for agents).
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Protocol

from sqlalchemy import Connection

from appliance.agents.sessions import ending, recovery
from appliance.agents.sessions.buffer import Buffer
from appliance.agents.sessions.detector import detect
from appliance.agents.sessions.models import (
    BUFFER,
    LESSONS,
    TODO,
    After,
    Beside,
    Entry,
    Event,
    HookAnswer,
    HookOutput,
    Kept,
    Recovered,
    cleaned,
)
from appliance.agents.sessions.projects import is_own, project_of
from appliance.agents.sessions.store import Session, Sessions, put
from appliance.agents.sessions.turn import Turn
from appliance.clock import Clock, iso, local, to_ms
from appliance.errors import NotFoundError
from appliance.metrics import Metrics
from appliance.redaction import Redactor
from appliance.settings import Session as Settings

START, PROMPT, STOP, END = "SessionStart", "UserPromptSubmit", "Stop", "SessionEnd"
COMPACT, NOTIFICATION, TOOL_FAILED = "PreCompact", "Notification", "PostToolUseFailure"

SILENT = timedelta(hours=24)
KEPT = timedelta(days=90)
LAG = timedelta(hours=1)
_REASON = "session"
_ACTIVE = timedelta(hours=12)
_EVENTS = frozenset({START, PROMPT, STOP, END, COMPACT, NOTIFICATION, TOOL_FAILED})

type Change = Callable[[Buffer], None]
type Edit = Callable[[str], str]


class Notebook(Protocol):
    """What sessions need of the notebook (appliance/notebook)."""

    def read(self, path: str) -> Any:
        """A document with `text` and `changed_at`; NotFoundError when there is none."""

    def edit(
        self,
        edits: Mapping[str, Callable[[str], str]],
        author: str,
        reason: str,
        also: Callable[[Connection], None] | None = None,
    ) -> Any:
        """Change files together, in one transaction."""


type WithEntry = Callable[[str, datetime, str, str], str]


class AgentSessions:
    """The sessions of a box's agents. Thread safe; what is written is durable when a method returns.

    Args:
        with_entry: a day's journal with an entry appended, from its text, local time, heading and body.
        notify: tells the person something once, by a title and a sentence.
    """

    def __init__(
        self,
        sessions: Sessions,
        notebook: Notebook,
        with_entry: WithEntry,
        settings: Settings,
        timezone: str,
        clock: Clock,
        metrics: Metrics,
        notify: Callable[[str, str], object] = lambda _title, _body: None,
    ) -> None:
        self.record = sessions
        self._notebook = notebook
        self._with_entry = with_entry
        self._settings = settings
        self._timezone = timezone
        self._clock = clock
        self._metrics = metrics
        self._notify = notify
        self._clean = Redactor(()).text
        self._lock = Lock()

    # What hooks say

    def hook(self, agent: str, event: Event, beside: Beside) -> HookAnswer:
        """Take in what a hook of `agent` says, and answer what is to go into its context.

        Events of agents within a session, and of membox's own sessions, are passed over; unknown ones count as a sign
        of life.

        Raises:
            UnavailableError, StorageError: it could not be written; the hook lets its agent go on all the same.
        """
        directory = beside.project or event.cwd
        if event.agent_id or is_own(event.cwd) or is_own(directory):
            return HookAnswer()
        laps = self._metrics.laps("session")
        with self._lock:
            session = self._session(agent, event.session_id, project_of(directory), beside.machine)
            event = self._cleaned(event)
            session.failures += beside.failures
            turn = Turn(session, self._now())
            answer = self._take(turn, event, beside)
        laps(event.hook_event_name.lower() if event.hook_event_name in _EVENTS else "other")
        return answer

    def _take(self, turn: Turn, event: Event, beside: Beside) -> HookAnswer:
        name, state = event.hook_event_name, turn.session.state
        if name == START:
            return self._start(turn, event)
        if name == END:
            self._end(turn)
            return HookAnswer()
        state["worked"] = True
        if name == PROMPT:
            self._prompt(turn, event)
        elif name == STOP:
            self._stop(turn, event, beside)
        elif name == COMPACT:
            self._store(turn, turn.rotate, self._archive(turn))
        elif name == NOTIFICATION:
            self._store(turn, lambda buffer: turn.wait(buffer, event.message))
        else:
            if name == TOOL_FAILED:
                turn.tool_failed(event)
            self._store(turn)
        return HookAnswer()

    def _start(self, turn: Turn, event: Event) -> HookAnswer:
        session = turn.session
        resumes = event.source in ("resume", "compact")
        session.ended_at = None
        session.state.pop("is_rotated", None)
        self._store(turn)
        told = recovery.brief(self._text(BUFFER), session.project, session.key, resumes)
        return HookAnswer(output=HookOutput(event=START, context=told))

    def _prompt(self, turn: Turn, event: Event) -> None:
        state = turn.session.state
        if event.prompt_id and state.get("prompt_id") == event.prompt_id:
            return  # the same hook stands in two settings files
        state["prompt_id"] = event.prompt_id
        turn.watch_todos(self._text(TODO))
        found = detect(event.prompt)
        turn.learn(found)
        turn.session.ended_at = None
        self._store(turn, lambda buffer: turn.prompt(buffer, event, found))

    def _stop(self, turn: Turn, event: Event, beside: Beside) -> None:
        state = turn.session.state
        share = (beside.context_tokens or 0) / self._settings.context_tokens
        is_full = share >= self._settings.rotate_at
        due = is_full and not state.get("is_rotated")
        state["is_rotated"] = is_full

        def change(buffer: Buffer) -> None:
            turn.stop(buffer, event.last_assistant_message or "")
            if due:
                turn.rotate(buffer)

        self._store(turn, change, self._archive(turn) if due else {})

    def _end(self, turn: Turn) -> None:
        session = turn.session
        turn.finished = ending.finished_since(self._text(TODO), session.state.get("open", []))
        session.ended_at = session.last_at
        session.state = {"worked": True} if session.state.get("worked") else {}

        def journal(text: str) -> str:
            return self._with_entry(text, turn.moment, "(session)", turn.journal) if turn.journal else text

        self._store(turn, turn.end, self._archive(turn) | {_day_file(turn.moment): journal})

    # What agents write and read themselves

    def write(self, agent: str, entry: Entry) -> Kept:
        """Write into the buffer what an agent without hooks has to say."""
        entry = cleaned(entry, self._clean)
        with self._lock:
            session = self._meant(agent, entry.session_id, project_of(entry.project))
            session.ended_at, session.state["worked"] = None, True
            turn = Turn(session, self._now())
            turn.watch_todos(self._text(TODO))
            found = turn.found_in(entry)
            turn.learn(found, entry.lessons)
            ticks = {TODO: lambda text: ending.ticked(text, entry.done)} if entry.done else {}
            self._store(turn, lambda buffer: turn.entry(buffer, entry, found), ticks)
            if entry.end:
                self._end(Turn(session, turn.moment))
        return self.kept(session.project).model_copy(update={"written": turn.written})

    def _meant(self, agent: str, session_id: str, project: str) -> Session:
        """The session an entry is for: the one named, else the one at work in the project now, else one by hand."""
        since = to_ms(self._clock() - _ACTIVE)
        if not session_id and (active := self.record.active(agent, project, since)):
            active.last_at = to_ms(self._clock())
            return active
        return self._session(agent, session_id or f"by-hand-{project}", project, "")

    def kept(self, project: str) -> Kept:
        """What stands in the buffer, of one project or of all."""
        buffer, named = Buffer(self._text(BUFFER)), project and project_of(project)
        parts = buffer.of_project(named) if named else buffer.parts
        return Kept(project=named, text="\n\n".join(part.told() for part in parts))

    def recover(self, project: str, max_tokens: int, after: After) -> Recovered:
        """What an agent needs to go on with `project`, within `max_tokens`, quoted (`recovery.bundle`)."""
        now = self._now()
        days = [_day_file(now), _day_file(now - timedelta(days=1))]
        return recovery.bundle(self._text, project_of(project), days, max_tokens, after)

    # Whether the buffer keeps up

    def check_buffer(self) -> str:
        """End sessions that have gone silent, and tell the person once when the buffer is older than the last session.

        Returns a sentence on what was done; for the job of the day.
        """
        now = self._clock()
        silent = self.record.open(to_ms(now - SILENT))
        for session in silent:
            with self._lock:
                self._end(Turn(session, self._now()))
        self.record.forget(to_ms(now - KEPT))
        stale = self.stale()
        if stale and self.record.alert(stale):
            self._notify("The working buffer is stale", stale)
        ended = f"Ended {len(silent)} silent session{'s' * (len(silent) != 1)}. " if silent else ""
        return ended + (stale or "The buffer is as new as the last session.")

    def stale(self) -> str:
        """A sentence on why the buffer is older than the last session; empty when it is not."""
        last = self.record.last_at_work()
        if last is None:
            return ""
        try:
            changed = int(self._notebook.read(BUFFER).changed_at)
        except NotFoundError:
            changed = 0
        if last.last_at - changed <= LAG / timedelta(milliseconds=1):
            return ""
        since = f"since {iso(changed)}" if changed else "at all"
        return f"{last.who} worked on {last.project} until {iso(last.last_at)}, but the buffer was not written {since}."

    def hook_failures(self, within: timedelta = timedelta(days=7)) -> int:
        """How many calls of hooks got no answer lately; their clients tell at the next call."""
        return self.record.failures(to_ms(self._clock() - within))

    # What the above share

    def _cleaned(self, event: Event) -> Event:
        """An event without secrets in what may be written down of it."""
        names = ("prompt", "message", "last_assistant_message", "error")
        texts: dict[str, object] = {name: self._clean(text) for name in names if (text := getattr(event, name))}
        given = {name: self._clean(text) for name, text in (event.tool_input or {}).items() if isinstance(text, str)}
        return event.model_copy(update=texts | {"tool_input": given})

    def _session(self, agent: str, session_id: str, project: str, machine: str) -> Session:
        now = to_ms(self._clock())
        known = self.record.get(agent, session_id)
        if known is None:
            return Session(agent, session_id, project, machine[:128], started_at=now, last_at=now)
        known.last_at = max(now, known.last_at)
        return known

    def _store(self, turn: Turn, change: Change | None = None, others: Mapping[str, Edit] | None = None) -> None:
        """Make an event's changes durable, all in one transaction: the buffer's first, which the others follow."""

        def of_buffer(text: str) -> str:
            buffer = Buffer(text)
            before = buffer.text
            if change:
                change(buffer)
            return text if buffer.text == before else buffer.text

        edits: dict[str, Edit] = {BUFFER: of_buffer} if change else {}
        edits |= others or {}
        if turn.lessons:
            edits[LESSONS] = lambda text: ending.with_lessons(text, turn.lessons)
        session = turn.session
        self._notebook.edit(edits, session.agent, _REASON, also=lambda conn: put(conn, session))

    def _archive(self, turn: Turn) -> dict[str, Edit]:
        """The edit that keeps a copy of the session's part, once for the same text."""
        session, moment = turn.session, turn.moment
        whose = re.sub(r"[^\w-]+", "-", session.session_id)[:8]
        path = f"archive/buffer-{moment:%Y-%m-%d}-{session.project}-{whose}.md"

        def keep(text: str) -> str:
            if not turn.archived or turn.archived in text:
                return text
            return f"{text}{chr(10) if text else ''}{turn.archived}\n"

        return {path: keep}

    def _text(self, path: str) -> str:
        try:
            return str(self._notebook.read(path).text)
        except NotFoundError:
            return ""

    def _now(self) -> datetime:
        return local(self._clock(), self._timezone)


def _day_file(moment: datetime) -> str:
    return f"sessions/{moment:%Y-%m-%d}.md"
