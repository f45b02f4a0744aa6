"""`membox llm list | test | usage | models`: the language models that the box may ask (docs/providers.md)."""

from typing import Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import bold, counted, emit, examples, json_option, shown, table, waiting
from appliance.client.box_client import LONG_WORK_SECONDS, path_part


@click.group(epilog=examples("membox llm list", "membox llm test", "membox llm usage"))
def llm() -> None:
    """See, try and count the language models that the box asks.

    They rewrite the memory at night and write the week's digest; everything else works without. `llm.providers` says
    in which order they are tried: anthropic (a key as secret anthropic-api-key), claude (the signed-in command on this
    machine) and openai (any server that speaks OpenAI's chat completions, such as Ollama).
    """


@llm.command("list", epilog=examples("membox llm list", "membox llm list --json"))
@json_option
@pass_caller
def list_(caller: Caller, as_json: bool) -> None:
    """Show which providers can be asked, and what the others lack."""
    with caller.box() as box:
        answer = box.get("/v1/llm")
    emit(answer, as_json, lambda: _print(answer))


@llm.command(epilog=examples("membox llm test", "membox llm test openai"))
@click.argument("provider", default="")
@json_option
@pass_caller
def test(caller: Caller, provider: str, as_json: bool) -> None:
    """Ask a small question of PROVIDER, or of the first that answers.

    This may cost a fraction of a cent.
    """
    with caller.box() as box, waiting("Asking"):
        answer = box.post("/v1/llm/test", {"provider": provider}, LONG_WORK_SECONDS)
    emit(answer, as_json, lambda: click.echo(_tested(answer)))


@llm.command(epilog=examples("membox llm usage", "membox llm usage --days 7"))
@click.option("--days", default=30, type=click.IntRange(1, 400), show_default=True, help="Of how many days.")
@json_option
@pass_caller
def usage(caller: Caller, days: int, as_json: bool) -> None:
    """Show what each model was asked and what it cost, by list price."""
    with caller.box() as box:
        answer = box.get("/v1/llm/usage", days=days)
    rows = [
        (
            each["provider"],
            shown(each["model"] or "(unknown)"),
            each["calls"],
            each["failed"],
            _tokens(each),
            _usd(each),
        )
        for each in answer["models"]
    ]
    head = ("PROVIDER", "MODEL", "CALLS", "FAILED", "TOKENS IN/OUT", "USD")
    emit(answer, as_json, lambda: table(head, rows, f"No language model was asked in {counted(days, 'day')}."))


@llm.command(epilog=examples("membox llm models anthropic"))
@click.argument("provider")
@json_option
@pass_caller
def models(caller: Caller, provider: str, as_json: bool) -> None:
    """List the models that PROVIDER offers."""
    with caller.box() as box, waiting("Asking"):
        answer = box.get(f"/v1/llm/{path_part(provider)}/models", LONG_WORK_SECONDS)
    emit(answer, as_json, lambda: click.echo("\n".join(shown(name) for name in answer["models"])))


def _print(answer: dict[str, Any]) -> None:
    rows = [(each["name"], _standing(each), each["remedy"]) for each in answer["providers"]]
    table(("PROVIDER", "STANDING", "TO DO"), rows, "")
    today, budget = answer["today"], answer["daily_budget_usd"]
    of = f" of {budget:.2f}" if budget else ""
    click.echo(f"\nToday: {counted(today['calls'], 'call')}, {_tokens(today)} tokens, {_usd(today)}{of} USD.")


def _standing(provider: dict[str, Any]) -> str:
    if not provider["is_chosen"]:
        return "not in llm.providers"
    return "ready" if provider["is_usable"] else "not set up"


def _tested(answer: dict[str, Any]) -> str:
    took = f"{_tokens(answer)} tokens, {_usd(answer)} USD"
    return f"{bold(answer['provider'])} ({shown(answer['model'])}, {took}): {shown(answer['text'])}"


def _tokens(spent: dict[str, Any]) -> str:
    return f"{spent['input_tokens']}/{spent['output_tokens']}"


def _usd(spent: dict[str, Any]) -> str:
    return f"{spent['cost_micros'] / 1e6:.4f}"
