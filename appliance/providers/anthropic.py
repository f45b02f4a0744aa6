"""Anthropic's Messages API, by its SDK. Imported in the child process only: the SDK takes 66 MB and a second."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

import anthropic
import httpx2
from anthropic.resources.messages.messages import DEPRECATED_MODELS
from anthropic.types import Model

from appliance.providers import prices
from appliance.providers.models import Access, Capability, Failure, OnText, Reply, Request

_CHARACTERS_A_TOKEN = 3  # rather too few, so that what was broken off is not taken for less than it cost
_PASSING = frozenset({408, 409, 429})  # and whatever is 500 or more, 529 (overloaded) among it


class Anthropic:
    """A `Provider`."""

    name = "anthropic"
    capabilities = frozenset({Capability.STREAM, Capability.SCHEMA, Capability.MODELS, Capability.SYSTEM})

    def __init__(self, access: Access) -> None:
        self._model = access.model
        self._client = anthropic.Anthropic(
            api_key=access.key,
            base_url=access.base_url or None,
            timeout=httpx2.Timeout(access.timeout_seconds, connect=10.0),
            max_retries=0,  # the child tries again, whichever provider it is
            # A redirection would carry the key to another host.
            http_client=anthropic.DefaultHttpxClient(follow_redirects=False),
        )

    def complete(self, request: Request) -> Reply:
        """The whole answer at once."""
        asked = self._asked(request)
        with _told(asked["model"]):
            return _reply(self._client.messages.create(**asked), asked["model"])

    def stream(self, request: Request, on_text: OnText) -> Reply:
        """The whole answer, its text handed over as it comes."""
        asked = self._asked(request)
        with _told(asked["model"]), self._client.messages.stream(**asked) as stream:
            pieces: list[str] = []
            try:
                for event in stream:
                    if event.type == "text":
                        pieces.append(event.text)
                        on_text(event.text)
                return _reply(stream.current_message_snapshot, asked["model"])
            except (anthropic.APIError, httpx2.HTTPError, AssertionError) as fault:
                raise _broken_off(fault, asked, "".join(pieces)) from fault

    def list_models(self) -> list[str]:
        """The models that the key may use."""
        with _told(self._model):
            return [model.id for model in self._client.models.list(limit=100)]

    def _asked(self, request: Request) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "model": request.model or self._model or default_model(),
            "max_tokens": request.max_tokens,
            "system": request.system or anthropic.omit,
            "messages": [{"role": "user", "content": request.prompt}],
        }
        if request.schema is not None:
            schema = anthropic.transform_schema(request.schema)
            asked["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return asked


def default_model(names: tuple[str, ...] | None = None) -> str:
    """The newest Sonnet that the installed SDK names and does not call deprecated."""
    known = names if names is not None else get_args(get_args(Model)[0])
    found = [
        ((int(match[1]), int(match[2] or 0)), name)
        for name in known
        if name not in DEPRECATED_MODELS and (match := re.fullmatch(r"claude-sonnet-(\d+)(?:-(\d{1,2}))?", name))
    ]
    return max(found)[1]


def _reply(message: Any, model: str) -> Reply:
    """The answer that `message` is; Failure when it is none of this API's."""
    try:
        usage = message.usage
        taken = usage.input_tokens + (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
        text = "".join(block.text for block in message.content if block.type == "text")
        given = int(usage.output_tokens)
    except (AttributeError, TypeError) as fault:
        raise Failure("What answered does not speak Anthropic's Messages API.", model=model) from fault
    if message.stop_reason == "refusal":
        raise Failure("The model declined to answer.", model=model, input_tokens=taken, output_tokens=given)
    if message.stop_reason is None:
        raise Failure("The answer broke off.", may_pass=True, model=model, input_tokens=taken, output_tokens=given)
    return Reply(
        text=text,
        provider=Anthropic.name,
        model=str(message.model),
        input_tokens=taken,
        output_tokens=given,
        cost_micros=prices.cost_micros(str(message.model), taken, given),
        truncated=message.stop_reason in ("max_tokens", "model_context_window_exceeded"),
    )


def _broken_off(fault: Exception, asked: dict[str, Any], text: str) -> Exception:
    """`fault` as it is before the model began to write; after that, a Failure that counts what will be charged."""
    if not text:
        return fault
    sent = len(asked["messages"][0]["content"]) // _CHARACTERS_A_TOKEN
    written = len(text) // _CHARACTERS_A_TOKEN
    return Failure("The answer broke off.", model=asked["model"], input_tokens=sent, output_tokens=written)


@contextmanager
def _told(model: str) -> Iterator[None]:
    """Faults of the SDK as failures."""
    try:
        yield
    except anthropic.APIStatusError as fault:
        status = fault.status_code
        raise Failure(
            _sentence(status, fault.api_message, model),
            may_pass=status in _PASSING or status >= 500,
            retry_after=_seconds(fault.response.headers.get("retry-after")),
            model=model,
        ) from fault
    except anthropic.APITimeoutError as fault:
        raise Failure("It did not answer in time.", may_pass=True, model=model) from fault
    except (anthropic.APIConnectionError, httpx2.HTTPError) as fault:
        raise Failure(
            f"The connection failed ({type(fault.__cause__ or fault).__name__}).", True, model=model
        ) from fault
    except (anthropic.AnthropicError, AssertionError, ValueError) as fault:
        raise Failure("What answered does not speak Anthropic's Messages API.", model=model) from fault


def _sentence(status: int, message: str | None, model: str) -> str:
    if status == 401:
        return "The key is not valid: set the secret anthropic-api-key anew."
    if status == 404:
        return f"There is no model {model} for this key; set core.model to one that there is."
    if status == 429:
        return "It was asked too often (429)."
    said = " ".join((message or "").split())[:200]
    return f"It answered {status}: {said}" if said else f"It answered {status}."


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:  # a date
        return None
