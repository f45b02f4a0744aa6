"""Which language models a box may ask by its settings and secrets, how they are reached, and what they may cost."""

import importlib.util
import shutil
from dataclasses import dataclass

from appliance import errand
from appliance.config import Config
from appliance.providers.models import Access, Request
from appliance.providers.prices import Price, cost_micros
from appliance.providers.usage import Most
from appliance.secrets import Secrets

NAMES = ("anthropic", "claude", "openai")
KEYS = {"anthropic": "anthropic-api-key", "openai": "openai-api-key"}
_DEFAULT_LINE = "claude-sonnet"  # whose price counts as long as only the SDK knows which model it takes
_CHARACTERS_A_TOKEN = 2.5  # fewer than there are, so that the estimate is no less than what is charged


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a provider can be asked: `is_chosen` by llm.providers, `is_usable`, and else what to do."""

    name: str
    is_chosen: bool
    is_usable: bool
    remedy: str


def standing(settings: Config, secrets: Secrets) -> list[Standing]:
    """Every provider, in the order in which they are tried; those that are not, last. Asks none of them."""
    chosen, kept = settings.llm.providers, set(secrets.names())
    remedies = {name: _remedy(name, settings, kept) for name in (*chosen, *NAMES)}  # each once, the chosen first
    return [Standing(name, name in chosen, not remedy, remedy) for name, remedy in remedies.items()]


def access(name: str, settings: Config, secrets: Secrets) -> Access:
    """How the provider `name` is reached."""
    llm = settings.llm
    key = secrets.get(KEYS[name]) if KEYS.get(name) in secrets.names() else ""
    model = llm.openai_model if name == "openai" else settings.core.model
    base_url = {"anthropic": llm.anthropic_base_url, "openai": llm.openai_base_url}.get(name, "")
    price = _price(name, settings) or Price(0, 0)
    return Access(key, base_url, model, llm.claude_command, llm.timeout_seconds, price.input, price.output)


def most(name: str, request: Request, settings: Config) -> Most:
    """The most that `request` can take of the provider `name`."""
    model = settings.llm.openai_model if name == "openai" else request.model or settings.core.model
    sent = len(request.system) + len(request.prompt) + len(str(request.schema or ""))
    tokens = int(sent / _CHARACTERS_A_TOKEN) + 100
    cost = cost_of(name, model or _DEFAULT_LINE, tokens, request.max_tokens, settings)
    return Most(model, tokens, request.max_tokens, cost)


def cost_of(name: str, model: str, input_tokens: int, output_tokens: int, settings: Config) -> int:
    """Millionths of a US dollar for so many tokens of the provider `name`."""
    return cost_micros(model or _DEFAULT_LINE, input_tokens, output_tokens, _price(name, settings))


def _price(name: str, settings: Config) -> Price | None:
    return Price(settings.llm.openai_input_usd, settings.llm.openai_output_usd) if name == "openai" else None


def _remedy(name: str, settings: Config, kept: set[str]) -> str:
    """What is missing before the provider can be asked; empty when nothing is."""
    llm = settings.llm
    match name:
        case "anthropic" if importlib.util.find_spec("anthropic") is None:
            return "Install its library: membox[llm]."
        case "anthropic" if KEYS[name] not in kept:
            return f"Give it a key: `membox secrets set {KEYS[name]}`."
        case "claude" if not errand.is_there() and shutil.which(llm.claude_command) is None:
            return "Install Claude Code and sign in there, or name its command in llm.claude_command."
        case "openai" if missing := [key for key in ("openai_base_url", "openai_model") if not getattr(llm, key)]:
            return f"Set {' and '.join(f'llm.{key}' for key in missing)}."
    return ""
