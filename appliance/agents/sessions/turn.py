"""What each event of a session changes: its record, its part of the buffer, and what goes elsewhere from there.

A turn lives for one event. Its changes are made on the buffer's current text, inside the notebook's transaction, and
are durable before the agent gets its answer.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime

from appliance.agents.sessions import ending
from appliance.agents.sessions.buffer import EXCHANGE, Buffer, Line, Part, one_line
from appliance.agents.sessions.detector import Found, detect
from appliance.agents.sessions.models import Entry, Event
from appliance.agents.sessions.rules import CORRECTION
from appliance.agents.sessions.store import Session

WAITS = "waits for the person: "
_MOST_FAILURES = 5  # lesson candidates of failed tool calls, a session
_MOST_OPEN = 200  # todos whose end is watched for
_FEW_WORDS = 3
_COMMAND = re.compile(r"/[\w:-]+")  # of Claude Code's own


@dataclass
class Turn:
    """One event of `session` at the local time `moment`.

    `lessons`, `archived` and `journal` come of it: candidates, a part's text to keep, an entry's body; `written` are
    the lines that were added, `finished` the todos that were ticked since the session began.
    """

    session: Session
    moment: datetime
    lessons: list[Line] = field(default_factory=list)
    archived: str = ""
    journal: str = ""
    written: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)

    def line(self, kind: str, text: str) -> Line:
        """A list line of this moment."""
        return Line(f"{self.moment:%Y-%m-%d}", f"{self.moment:%H:%M:%S}", kind, one_line(text))

    def part(self, buffer: Buffer) -> Part:
        """The session's part, made where there is none; one that had ended goes on."""
        part = buffer.find(self.session.key)
        if part is None:
            part = Part.new(self.session.key, self.session.project, self.session.who, f"{self.moment:%Y-%m-%d %H:%M}")
            buffer.parts.append(part)
        part.set_head("Ended", "")
        return part

    def keep(self, part: Part, found: list[Found]) -> None:
        """Write down what must be kept."""
        for each in found:
            line = self.line(each.kind, each.text)
            part.add(line)
            self.written.append(str(line))

    def learn(self, found: list[Found], lessons: tuple[str, ...] = ()) -> None:
        """A correction is a lesson candidate, and so is what an agent calls a lesson."""
        texts = [("corrected", each.text) for each in found if each.kind == CORRECTION]
        texts += [("lesson", text) for text in lessons if text.strip()]
        self.lessons += [self.line(kind, f"{self.session.project}: {text}") for kind, text in texts]

    # What happens

    def prompt(self, buffer: Buffer, event: Event, found: list[Found]) -> None:
        """A person's message: what must be kept is written down, and what the session is about."""
        words = event.prompt.split()
        if not words or _COMMAND.fullmatch(words[0]):
            return
        part = self.part(buffer)
        if part.head("Blocked").startswith(WAITS):
            part.set_head("Blocked", "")
        if not part.head("Task"):
            self._begin(buffer, part, event.prompt, is_short=len(words) < _FEW_WORDS)
        self.keep(part, found)
        self.session.state["prompt"] = ending.summary(event.prompt)

    def _begin(self, buffer: Buffer, part: Part, prompt: str, is_short: bool) -> None:
        """Name the task; a message of a word or two ("continue") goes on with the project's last one."""
        if not is_short:
            part.set_head("Task", ending.first_sentence(prompt))
            return
        before = [each for each in buffer.of_project(self.session.project) if each is not part]
        for name in ("Task", "Next", "Blocked") if before else ():
            part.set_head(name, before[-1].head(name))

    def stop(self, buffer: Buffer, answer: str) -> None:
        """The agent has answered: log the exchange, and what its answer says comes next or stands in the way."""
        if (part := buffer.find(self.session.key)) is None or not answer.strip():
            return
        if prompt := self.session.state.pop("prompt", ""):
            part.add(self.line("asked", prompt))
        part.add(self.line("did", ending.summary(answer)))
        if step := ending.next_step(answer):
            part.set_head("Next", step)
        if question := ending.asked(answer):
            part.set_head("Blocked", WAITS + question)

    def rotate(self, buffer: Buffer) -> None:
        """Take a copy of the part into the archive and leave in the buffer what is to be kept, without the log."""
        if part := buffer.find(self.session.key):
            self.archived = part.told()
            part.without(EXCHANGE)

    def wait(self, buffer: Buffer, message: str) -> None:
        """The agent waits for the person."""
        if part := buffer.find(self.session.key):
            part.set_head("Blocked", WAITS + message)

    def tool_failed(self, event: Event) -> None:
        """A failed call of a tool is a lesson candidate, the first few of a session."""
        count = int(self.session.state.get("tool_failures", 0))
        reason = ending.summary(event.error or "", 200)
        if event.is_interrupt or not reason or count >= _MOST_FAILURES:
            return
        self.session.state["tool_failures"] = count + 1
        given = next(iter((event.tool_input or {}).values()), "")
        what = f"{event.tool_name} {ending.summary(str(given), 120)}".strip()
        self.lessons.append(self.line("failed", f"{self.session.project}: {what}: {reason}"))

    def found_in(self, entry: Entry) -> list[Found]:
        """What of an agent's own entry must be kept."""
        own = [Found("decision", text) for text in entry.decisions] + [Found("done", text) for text in entry.done]
        return [each for each in own if each.text.strip()] + detect(entry.said)

    def entry(self, buffer: Buffer, entry: Entry, found: list[Found]) -> None:
        """What an agent writes itself."""
        part = self.part(buffer)
        for name, value in (("Task", entry.task), ("Next", entry.next), ("Blocked", entry.blocked)):
            if value is not None:
                part.set_head(name, value)
        self.keep(part, found)

    def end(self, buffer: Buffer) -> None:
        """The session is over: its journal entry, its part in the archive, and in the buffer where to go on."""
        part = buffer.find(self.session.key)
        if part is None or part.head("Ended"):
            return
        self.journal = ending.journal_body(part, self.finished)
        self.archived = part.told()
        for earlier in buffer.of_project(self.session.project):
            if earlier.head("Ended"):
                buffer.remove(earlier)
        part.without(())
        part.set_head("Ended", f"{self.moment:%Y-%m-%d %H:%M}")
        if part not in buffer.parts:
            buffer.parts.append(part)

    def watch_todos(self, todo: str) -> None:
        """Remember which todos are open, so that the end can say which are done."""
        self.session.state.setdefault("open", ending.open_boxes(todo)[:_MOST_OPEN])
