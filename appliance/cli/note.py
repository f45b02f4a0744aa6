"""`membox note`: capture, from the terminal."""

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import emit, examples, json_option
from appliance.cli.streams import given_text

# The door's own limit (contract notebook, Capture).
_LIMIT_BYTES = 64 * 1024


@click.command(
    epilog=examples(
        'membox note "The heating man comes on Tuesday"',
        "git log -1 --format=%B | membox note - --title Commit --tag work",
        "membox note --url https://example.com/a 'Worth reading again'",
    )
)
@click.argument("text", nargs=-1)
@click.option("--title", help="A heading for the note.")
@click.option("--tag", "tags", multiple=True, help="A tag; give it again for more.")
@click.option("--url", help="Where the text is from; its trust is then that of the web.")
@json_option
@pass_caller
def note(
    caller: Caller, text: tuple[str, ...], title: str | None, tags: tuple[str, ...], url: str | None, as_json: bool
) -> None:
    """Write a note into today's journal.

    TEXT is the note; `-` reads it from standard input. When the command returns, the note is on disk, in the day's
    file, and found by recall.
    """
    given = {"text": given_text(text, _LIMIT_BYTES), "title": title, "tags": list(tags), "url": url}
    request = {name: value for name, value in given.items() if value} | {"text": given["text"]}
    with caller.box() as box:
        answer = box.note(request)
    emit(answer, as_json, lambda: click.echo(f"Noted at {answer['timestamp']}."))
