"""`membox compact`: sum up what a query finds, and keep the summary (contract memory-api, Compact)."""

from typing import Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import bold, counted, dim, emit, examples, json_option, quote

_WARNINGS = {
    "summary_truncated": "There was more to say than fits; --target-tokens makes room.",
    "summary_over_target_tokens": "It is longer than was asked for.",
}
_NOTHING = {
    "no_source_memories": "Nothing the box knows fits that, so there is nothing to sum up.",
    "summary_generation_failed": "What was found holds no sentence to sum up.",
}


@click.command(
    epilog=examples(
        'membox compact "how we deploy"',
        'membox compact heating --target-tokens 200 --type fact --expires-at "2027-01-01"',
        "membox compact heating --json | jq -r .summary_text",
    )
)
@click.argument("query", nargs=-1, required=True)
@click.option(
    "--scope",
    type=click.Choice(["private", "team", "global"]),
    default="team",
    show_default=True,
    help="Who may recall the summary; it is made only of what they all may see.",
)
@click.option(
    "--max-source-items", type=click.IntRange(1, 100), default=16, show_default=True, help="Of at most so many items."
)
@click.option(
    "--input-max-tokens", type=click.IntRange(128, 64000), default=4000, show_default=True, help="Read at most so much."
)
@click.option(
    "--target-tokens", type=click.IntRange(64, 8000), default=600, show_default=True, help="Say it in at most so much."
)
@click.option(
    "--type",
    "output_type",
    type=click.Choice(["event", "fact", "episode", "policy"]),
    default="episode",
    show_default=True,
    help="What kind of item the summary is.",
)
@click.option("--source-ref", help="Where it is from, in your own words.")
@click.option("--expires-at", help="When it stops being true (ISO 8601; without a zone, UTC), if not earlier.")
@click.option("--agent", help="Speak for this agent; the default is the key's own.")
@json_option
@pass_caller
def compact(caller: Caller, query: tuple[str, ...], agent: str | None, as_json: bool, **options: Any) -> None:
    """Sum up what the box knows about something.

    The summary is made of its sources' own sentences and kept as an item: trusted as little, and kept as short, as the
    least of them. What is forgotten later leaves it too.
    """
    given = {name: value for name, value in options.items() if value is not None}
    with caller.box() as box:
        answer = box.post("/v0/memory/compact", box.speaker(agent) | {"query": " ".join(query)} | given)
    emit(answer, as_json, lambda: _print(answer))


def _print(answer: dict[str, Any]) -> None:
    for warning in answer["warnings"]:
        if warning in _NOTHING:
            click.echo(_NOTHING[warning])
            return
    click.echo(bold(answer["created_memory_id"]))
    click.echo(quote(answer["summary_text"]))
    of = counted(answer["source_count"], "item")
    tokens = f"{answer['output_tokens_estimate']} instead of {answer['input_tokens_estimate']} tokens"
    click.echo(dim(f"Made of {of}; about {tokens}."))
    for warning in answer["warnings"]:
        click.echo(_WARNINGS.get(warning, warning))
