"""What was measured, as a table for people (Markdown) and as JSON."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

_HEAD = ("measured", "membox", "floor", "ratio", "aim", "met")


@dataclass(frozen=True)
class Result:
    """One line of the table: ours beside the floor, in `unit`; `met` is None where no aim is set."""

    name: str
    unit: str
    ours: float | None
    floor: float | None = None
    aim: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        """Ours as a multiple of the floor."""
        return self.ours / self.floor if self.ours is not None and self.floor else None


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of `values` do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100).__int__() - 1)]


def table(results: Sequence[Result]) -> str:
    """The results as a Markdown table."""
    return aligned(_HEAD, [_cells(result) for result in results], right=(1, 2, 3))


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]], right: Container[int]) -> str:
    """A Markdown table, its columns aligned; those numbered in `right` to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = ["-" * (width - 1) + ":" if column in right else "-" * width for column, width in enumerate(widths)]
    return "\n".join(
        "| "
        + " | ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in (head, rule, *rows)
    )


def _cells(result: Result) -> tuple[str, ...]:
    ratio = f"{result.ratio:.2f}" if result.ratio is not None else ""
    met = {True: "yes", False: "**no**", None: ""}[result.met]
    return (
        result.name,
        _number(result.ours, result.unit) or "not measured",
        _number(result.floor, result.unit),
        ratio,
        result.aim,
        met,
    )


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:,.{2 if value < 100 else 0}f} {unit}"
