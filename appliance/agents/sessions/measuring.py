"""How well the detector finds what must be kept: precision and recall on a labelled corpus, by class.

The corpus is a JSON list of messages `{"text", "classes", "part"}`; `part` is `tuning`, which the rules were made with,
or `held-out`, which they were not.
"""

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, computed_field

from appliance.agents.sessions.detector import classes_of
from appliance.agents.sessions.rules import KINDS
from appliance.errors import InvalidError


class Message(BaseModel):
    """A person's message and the classes of what it says; none when nothing of it is to be kept."""

    model_config = ConfigDict(frozen=True)

    text: str
    classes: tuple[str, ...] = ()
    part: str = "held-out"


class Score(BaseModel):
    """How many messages were found rightly, found wrongly, and missed."""

    name: str
    right: int = 0
    wrong: int = 0
    missed: int = 0

    @computed_field  # type: ignore[prop-decorator] # pydantic reads the property below it
    @property
    def precision(self) -> float:
        """The share of what was found that is right."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @computed_field  # type: ignore[prop-decorator] # pydantic reads the property below it
    @property
    def recall(self) -> float:
        """The share of what there is that was found."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0


class Scores(BaseModel):
    """The scores of one part of the corpus: of all messages, and of each class; the messages judged wrongly."""

    part: str
    messages: int
    overall: Score
    classes: list[Score]
    wrongly: list[str]


def load_messages(path: Path) -> list[Message]:
    """The corpus in a JSON file.

    Raises:
        InvalidError: `bad_dataset`, there is no such file or it has another form.
    """
    try:
        return TypeAdapter(list[Message]).validate_python(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, ValidationError) as fault:
        first = str(fault).partition("\n")[0]
        raise InvalidError("bad_dataset", f"{path} is no corpus of messages: {first}.") from None


def scores(messages: Iterable[Message]) -> list[Scores]:
    """The scores of all messages, and of each part."""
    judged = [(message, classes_of(message.text)) for message in messages]
    parts = sorted({message.part for message, _ in judged}, reverse=True)
    return [
        _scores("all", judged),
        *(_scores(part, [each for each in judged if each[0].part == part]) for part in parts),
    ]


def _scores(part: str, judged: list[tuple[Message, frozenset[str]]]) -> Scores:
    overall, classes = Score(name="any"), [Score(name=kind) for kind in KINDS]
    wrongly = []
    for message, found in judged:
        _count(overall, bool(found), bool(message.classes))
        for score in classes:
            _count(score, score.name in found, score.name in message.classes)
        if bool(found) != bool(message.classes):
            wrongly.append(f"{_told(found)} in place of {_told(message.classes)}: {message.text}")
    return Scores(part=part, messages=len(judged), overall=overall, classes=classes, wrongly=wrongly)


def _told(classes: Collection[str]) -> str:
    return ", ".join(sorted(classes)) or "nothing"


def _count(score: Score, is_found: bool, is_there: bool) -> None:
    score.right += is_found and is_there
    score.wrong += is_found and not is_there
    score.missed += is_there and not is_found
