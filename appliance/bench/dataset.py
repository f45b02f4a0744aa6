"""Questions with their answers, to measure retrieval with: one documented JSON form (docs/benchmarks.md, Data sets).

Brainstem's form loads as it is, and so do conversations (`conversations.py`). Unknown fields are ignored.
"""

import json
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from appliance.bench.conversations import is_conversations, seeds_and_cases
from appliance.errors import InvalidError

# Ids are often numbers.
_Id = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]
_Text = Annotated[str, StringConstraints(min_length=1)]
_EXPECTED = AliasChoices("expected_seed_ids", "expected_ids", "relevant_ids", "relevant", "expected")
_MEMORIES = ("seeds", "items", "memories")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Seed(_Part):
    """One memory; its fields but the first two and `scope` are those of an item to remember (contract memory-api).

    `part_of` is the id of the memory as which it counts when it is found: one too long for an item comes in parts.
    """

    id: _Id = Field(validation_alias=AliasChoices("id", "memory_id", "seed_id"))
    part_of: _Id | None = None
    text: _Text = Field(validation_alias=AliasChoices("text", "content"))
    type: str = "fact"
    scope: str = "team"
    trust_level: str = "user_claim"
    source_ref: str | None = None
    occurred_at: str | None = Field(None, validation_alias=AliasChoices("occurred_at", "date"))
    expires_at: str | None = None
    confidence: float | None = None
    salience: float | None = None

    def item(self) -> dict[str, Any]:
        """The item as a `remember` request has it."""
        return self.model_dump(exclude={"id", "part_of", "scope"}, exclude_none=True)


class Case(_Part):
    """A question, the ids of the memories that answer it, and tags by which results are told apart."""

    query: _Text = Field(validation_alias=AliasChoices("query", "question"))
    expected: tuple[_Id, ...] = Field((), validation_alias=_EXPECTED)
    expected_texts: tuple[str, ...] = ()
    name: str = Field("", validation_alias=AliasChoices("name", "id"))
    tags: tuple[str, ...] = ()


class Group(_Part):
    """Memories and questions that belong together: one tenant, who sees nothing of the others'."""

    tenant_id: str = Field("bench", min_length=1, max_length=128)
    agent_id: str = Field("bench", min_length=1, max_length=128)
    seeds: tuple[Seed, ...] = Field(validation_alias=AliasChoices(*_MEMORIES))
    cases: tuple[Case, ...] = Field(validation_alias=AliasChoices("cases", "queries", "questions"))

    @model_validator(mode="after")
    def _answers_are_there(self) -> "Group":
        known = [seed.id for seed in self.seeds]
        if len(set(known)) < len(known):
            raise ValueError("an id is given to two memories")
        unknown = sorted(set(chain.from_iterable(case.expected for case in self.cases)) - set(known))
        texts = {seed.text for seed in self.seeds}
        unknown += sorted(set(chain.from_iterable(case.expected_texts for case in self.cases)) - texts)
        if unknown:
            raise ValueError(f"expected memory {unknown[0]!r} is not among the memories")
        return self

    @property
    def has_parts(self) -> bool:
        """Whether several memories count as one."""
        return any(seed.part_of for seed in self.seeds)

    def answers(self, case: Case) -> frozenset[str]:
        """The ids of the memories that answer `case`."""
        texts = set(case.expected_texts)
        return frozenset(case.expected) | {seed.id for seed in self.seeds if seed.text in texts}


class Dataset(_Part):
    """Groups of memories and questions, and what they are called in a report."""

    name: str
    path: str
    groups: tuple[Group, ...]

    @property
    def seed_count(self) -> int:
        """How many memories there are in all."""
        return sum(len(group.seeds) for group in self.groups)

    @property
    def case_count(self) -> int:
        """How many questions there are in all."""
        return sum(len(group.cases) for group in self.groups)


def load_dataset(path: Path) -> Dataset:
    """The data set in the JSON file `path`.

    Raises:
        InvalidError: `bad_dataset`, there is no such file or it has another form.
    """
    try:
        given = json.loads(path.read_text("utf-8"))
    except OSError as fault:
        raise _bad(path, f"it cannot be read ({fault.strerror})") from None
    except ValueError as fault:
        raise _bad(path, f"it is no JSON ({fault})") from None
    try:
        groups = tuple(_group(each) for each in _groups(given))
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _bad(path, f"{where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}") from None
    except ValueError as fault:
        raise _bad(path, str(fault)) from None
    if not any(group.cases for group in groups):
        raise _bad(path, "it has no questions with an answer")
    return Dataset(name=path.stem, path=str(path), groups=_apart(groups))


def _groups(given: object) -> list[Any]:
    """Its groups: several, one, or a list of questions each with its own memories."""
    if is_conversations(given):
        return seeds_and_cases(given)
    if isinstance(given, dict):
        groups = given.get("groups", [given])
        if isinstance(groups, list):
            return groups
    if isinstance(given, list):
        return [{**each, "cases": [each]} if isinstance(each, dict) else each for each in given]
    raise ValueError("neither an object nor a list of questions")


def _group(given: object) -> Group:
    if isinstance(given, dict):
        memories: list[Any] = next((given[name] for name in _MEMORIES if name in given), [])
        # Memories may be bare texts; each is then its own id.
        plain = [{"id": each, "text": each} if isinstance(each, str) else each for each in memories]
        given = {**given, "seeds": plain}
    return Group.model_validate(given)


def _apart(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """Each group in a tenant of its own."""
    if len({group.tenant_id for group in groups}) == len(groups):
        return groups
    return tuple(
        group.model_copy(update={"tenant_id": f"{group.tenant_id[:116]}-{number}"})
        for number, group in enumerate(groups, 1)
    )


def _bad(path: Path, why: str) -> InvalidError:
    return InvalidError("bad_dataset", f"{path} is no data set: {why}. Its form stands in docs/benchmarks.md.")
