"""The language models of a box, in the order in which they are tried."""

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from functools import cache
from time import monotonic

from pydantic import TypeAdapter, ValidationError

from appliance.clock import Clock
from appliance.config import Config
from appliance.errors import NoProviderError, NotFoundError, ProviderError
from appliance.providers import usage
from appliance.providers.child import COMPLETE, MODELS
from appliance.providers.choice import NAMES, Standing, access, cost_of, most, standing
from appliance.providers.models import Failure, OnText, Reply, Request
from appliance.providers.process import Children, Line
from appliance.providers.usage import Limits, Usage
from appliance.redaction import Redactor
from appliance.secrets import Secrets
from appliance.storage.database import Database

_CHARACTERS_A_TOKEN = 3
_log = logging.getLogger(__name__)


class Providers:
    """Thread safe; the settings are read at every use.

    Args:
        settings: gives the settings as they are now.
    """

    def __init__(self, settings: Callable[[], Config], secrets: Secrets, database: Database, clock: Clock) -> None:
        self.settings = settings
        self._secrets = secrets
        self._children = Children()
        self.usage = Usage(database, clock)

    def complete(self, request: Request, on_text: OnText | None = None, record: bool = True, only: str = "") -> Reply:
        """The answer of the first provider that has one. Secrets are taken out of what is sent.

        Args:
            on_text: is handed the text piece by piece as it comes, in this thread; where one provider broke off and
                the next is asked, it begins anew.
            record: whether the usage is written down; it counts for the budget only then.
            only: ask no other provider than the one of this name.

        Raises:
            NotFoundError: `no_such_provider`.
            NoProviderError: none is set up or can be used, or the day's budget is spent.
            ProviderError: each one that was asked failed.
        """
        settings = self.settings()
        redactor = self._redactor(settings)
        request = replace(request, system=redactor.text(request.system), prompt=redactor.text(request.prompt))
        told: list[str] = []
        is_failed = False
        for name in [self._required(only)] if only else self._usable(settings):
            try:
                return self._recorded(name, request, on_text, settings, record)
            except Failure as failure:
                is_failed = True
                told.append(f"{name}: {redactor.text(failure.sentence)}")
                _log.warning("the language model of %s gave no answer: %s", name, told[-1])
            except NoProviderError as refused:
                told.append(f"{name}: {refused.sentence}")
        if not is_failed:
            raise NoProviderError("budget_spent", " ".join(told))
        raise ProviderError("provider_failed", f"No language model answered. {' '.join(told)}")

    def standing(self) -> list[Standing]:
        """Every provider there is, in the order in which they are tried; those that are not, last. Asks none."""
        return standing(self.settings(), self._secrets)

    def models(self, name: str) -> list[str]:
        """The models that the provider `name` offers.

        Raises:
            NotFoundError: `no_such_provider`.
            NoProviderError: it cannot be used.
            ProviderError: it does not tell.
        """
        settings = self.settings()
        try:
            line = self._said(self._required(name), {"do": MODELS}, settings)
        except Failure as failure:
            sentence = f"{name} does not list its models. {self._redactor(settings).text(failure.sentence)}"
            raise ProviderError("provider_failed", sentence) from failure
        return [str(model) for model in line["models"]]

    def redactor(self) -> Redactor:
        """What takes the box's own secrets, and what is formed like one, out of a text."""
        return self._redactor(self.settings())

    def stop(self) -> None:
        """End what is being asked, and ask nothing more."""
        self._children.stop()

    def _required(self, name: str) -> str:
        """`name`, if that is a provider that can be asked."""
        found = next((each for each in self.standing() if each.name == name), None)
        if found is None:
            raise NotFoundError("no_such_provider", f"There is no provider {name}; there are {', '.join(NAMES)}.")
        if not found.is_usable:
            raise NoProviderError("no_provider", f"{name} cannot be asked. {found.remedy}")
        return name

    def _usable(self, settings: Config) -> list[str]:
        chosen = [each for each in standing(settings, self._secrets) if each.is_chosen]
        if usable := [each.name for each in chosen if each.is_usable]:
            return usable
        why = " ".join(f"{each.name}: {each.remedy}" for each in chosen)
        raise NoProviderError("no_provider", f"No language model can be asked. {why or 'llm.providers names none.'}")

    def _redactor(self, settings: Config) -> Redactor:
        own = [self._secrets.get(name) for name in self._secrets.names()]
        return Redactor([*own, *settings.given_keys, *settings.mcp_tokens])

    def _recorded(self, name: str, request: Request, on_text: OnText | None, settings: Config, record: bool) -> Reply:
        limits, timezone = Limits(settings.llm.daily_budget_usd, settings.llm.daily_tokens), settings.core.timezone
        at_most = most(name, request, settings)
        if not record:
            self.usage.require(at_most, limits, timezone)
            return self._reply(name, request, on_text, settings)
        number = self.usage.begin(request, name, at_most, limits, timezone)
        try:
            reply = self._reply(name, request, on_text, settings)
        except Failure as failed:
            cost = cost_of(name, failed.model or at_most.model, failed.input_tokens, failed.output_tokens, settings)
            self.usage.end(number, usage.FAILED, failed.model, failed.input_tokens, failed.output_tokens, cost)
            raise
        outcome = usage.TRUNCATED if reply.truncated else usage.OK
        self.usage.end(number, outcome, reply.model, reply.input_tokens, reply.output_tokens, reply.cost_micros)
        return reply

    def _reply(self, name: str, request: Request, on_text: OnText | None, settings: Config) -> Reply:
        asked = {"do": COMPLETE, "request": asdict(request), "stream": on_text is not None}
        came = 0

        def counted(text: str) -> None:
            nonlocal came
            came += len(text)
            if on_text is not None:
                on_text(text)

        try:
            fields = self._said(name, asked, settings, counted)["reply"]
            reply: Reply = _reply_type().validate_python(fields)
        except ValidationError as fault:
            raise Failure("What it says of its answer is not possible.") from fault
        except _OverTimeError as fault:  # what was sent and what came will be charged all the same
            sent = len(request.system + request.prompt) // _CHARACTERS_A_TOKEN
            raise Failure(str(fault), input_tokens=sent, output_tokens=came // _CHARACTERS_A_TOKEN) from fault
        return replace(reply, text=reply.text.encode("utf-8", "replace").decode())

    def _said(self, name: str, asked: Line, settings: Config, on_text: OnText = lambda _text: None) -> Line:
        """The last line of the child's, which is no failure."""
        way = access(name, settings, self._secrets)
        message = {**asked, "provider": name, "access": asdict(way)}
        began = monotonic()
        try:
            with closing(self._children.lines(message, way.timeout_seconds)) as lines:
                for line in lines:
                    if "error" in line:
                        raise Failure(**line["error"])
                    if "text" not in line:
                        return line
                    on_text(line["text"])
        except (OSError, ValueError) as fault:
            raise Failure(f"It could not be asked ({fault}).") from fault
        if monotonic() - began >= way.timeout_seconds:
            raise _OverTimeError(f"It did not answer within {way.timeout_seconds:g} s (llm.timeout_seconds).")
        raise Failure("It ended without an answer.")


class _OverTimeError(Failure):
    """The child was ended as its time was over."""


@cache
def _reply_type() -> TypeAdapter[Reply]:
    return TypeAdapter(Reply)
