"""A command group that imports a command only when it is asked for, so that `membox note` starts fast."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is written, and its line in the list of commands, kept here so that listing imports nothing.

    A `summary` of "" hides the command. `section` is the heading it is listed under.
    """

    where: str
    summary: str
    section: str

    def load(self) -> click.Command:
        """The command itself."""
        module, _, name = self.where.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


class LazyGroup(click.Group):
    """A group whose commands are `Place`s."""

    def __init__(self, *args: Any, places: Mapping[str, Place], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        """The names, in the order they are written."""
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - Click's signature
        """The command of that name, imported now; None when there is none."""
        place = self.places.get(cmd_name)
        return place.load() if place else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As Click's, with the nearest names when there is no such command."""
        if args and args[0] not in self.places and not args[0].startswith("-"):
            ctx.fail(f"There is no command {args[0]!r}{self._nearest(args[0])}")
        return super().resolve_command(ctx, args)

    def _nearest(self, word: str) -> str:
        import difflib

        near = difflib.get_close_matches(word, [name for name, place in self.places.items() if place.summary])
        return f"; did you mean {' or '.join(near)}?" if near else "; `membox --help` lists them."

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - Click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """The commands by section, without importing any."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, place in self.places.items():
            if place.summary:
                sections.setdefault(place.section, []).append((name, place.summary))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows, col_max=12)
