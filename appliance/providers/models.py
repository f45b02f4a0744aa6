"""What is asked of a language model, what it answers, and what an adapter to one must offer."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Protocol

from pydantic import Field

from appliance.errors import MalformedReplyError, ProviderError

OnText = Callable[[str], object]
Count = Annotated[int, Field(ge=0, le=10**15)]  # what a server says of itself may be anything


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a language model.

    Attributes:
        system: the instructions; ours, never captured text.
        prompt: what it is about, captured text as quoted data.
        schema: JSON Schema of the answer; None for plain text.
        max_tokens: longest reply.
        purpose: what it is for, in a word, such as ``refresh``; for the record of usage.
        model: another model than the configured one. A provider that goes by other names has its own.
    """

    system: str
    prompt: str
    schema: dict[str, Any] | None = None
    max_tokens: int = 4096
    purpose: str = "other"
    model: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a language model answered.

    Attributes:
        text: the answer as it came; with a schema, a JSON text.
        provider: which of the configured providers it was.
        model: the model's own name.
        cost_micros: millionths of a US dollar, by list price; 0 where it costs nothing or nobody says.
        truncated: it stopped at `max_tokens`, or was cut off: not the whole answer.
    """

    text: str
    provider: str
    model: str
    input_tokens: Count = 0
    output_tokens: Count = 0
    cost_micros: Count = 0
    truncated: bool = False

    def data(self) -> dict[str, Any]:
        """The JSON object that the text is, and nothing around it.

        Raises:
            ProviderError: `truncated`.
            MalformedReplyError: it is no JSON object.
        """
        if self.truncated:
            raise ProviderError(
                "truncated",
                f"The reply of {self.model} broke off at {self.output_tokens} tokens; allow it more "
                "(core.max_tokens), or let it have less to say.",
            )
        try:
            data = json.loads(self.text)
            json.dumps(data, ensure_ascii=False).encode()  # an escape may be half of a character, which is no text
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise MalformedReplyError("malformed_reply", f"The reply of {self.model} is not the JSON object asked for.")
        return data


class Capability(StrEnum):
    """What not every provider can; a caller looks before it relies on one."""

    STREAM = "stream"  # hands over its text while it is written
    SCHEMA = "schema"  # keeps to a JSON Schema by itself; else it is told to in words
    MODELS = "models"  # lists its models
    SYSTEM = "system"  # takes instructions apart from what they are about


@dataclass(frozen=True, slots=True)
class Access:
    """How an adapter reaches its model. It goes to the child process over its standard input."""

    key: str = field(default="", repr=False)
    base_url: str = ""
    model: str = ""
    command: str = ""
    timeout_seconds: float = 600.0
    input_usd: float = 0.0
    output_usd: float = 0.0


class Provider(Protocol):
    """An adapter to one kind of language model; lives in the child process. Every method raises `Failure`."""

    name: str
    capabilities: frozenset[Capability]

    def complete(self, request: Request) -> Reply:
        """The whole answer at once."""

    def stream(self, request: Request, on_text: OnText) -> Reply:
        """The whole answer, each piece of its text handed to `on_text` as it comes."""

    def list_models(self) -> list[str]:
        """The names of the models that this access may use."""


class Failure(Exception):  # noqa: N818 - not an error of ours: the child tells it, `Providers` makes one of it
    """Why an adapter has no answer.

    Args:
        sentence: for a person; holds nothing that was sent.
        may_pass: asking again a little later may help.
        retry_after: seconds the provider asks to wait; None when it does not say.
        input_tokens, output_tokens: what will be charged all the same, as far as is known.
    """

    def __init__(
        self,
        sentence: str,
        may_pass: bool = False,
        retry_after: float | None = None,
        model: str = "",
        input_tokens: int = 0,
        output_tokens: int = 0,
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.may_pass = may_pass
        self.retry_after = retry_after
        self.model = model
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
