"""Small drawings for pages, as shapes in a box of `WIDTH` by `HEIGHT`; a template makes SVG of them."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 160
_GAP = 0.25  # of a bar's room


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, and what it says when it is pointed at."""

    x: float
    y: float
    width: float
    height: float
    label: str


def bars(values: Sequence[float], labels: Sequence[str], highest: float) -> list[Bar]:
    """A bar per value, standing on the lower edge, `highest` as tall as the drawing; what is not zero can be seen."""
    room = WIDTH / max(len(values), 1)
    drawn = []
    for position, (value, label) in enumerate(zip(values, labels, strict=True)):
        height = max(HEIGHT * value / highest, 2.0) if value else 0.0
        x, width = (position + _GAP / 2) * room, room * (1 - _GAP)
        drawn.append(Bar(round(x, 1), round(HEIGHT - height, 1), round(width, 1), round(height, 1), label))
    return drawn


def lines(points: Sequence[tuple[float, float]], gap: float, highest: float) -> list[str]:
    """SVG paths through `points` (x as a share of the width, a value each), broken where x jumps by more than `gap`."""
    paths: list[list[str]] = []
    last = None
    for x, value in points:
        here = f"{x * WIDTH:.1f} {HEIGHT - HEIGHT * value / highest:.1f}"
        if last is None or x - last > gap:
            paths.append([])
        paths[-1].append(here)
        last = x
    # A point alone is drawn as a line of no length, which round ends make a dot.
    return ["M" + " L".join(path if len(path) > 1 else path * 2) for path in paths]


def rounded_up(value: float) -> float:
    """The scale's end: the next of 1, 2, 5 times a power of ten, at least 1."""
    step = 1.0
    while True:
        for factor in (1, 2, 5):
            if factor * step >= value:
                return factor * step
        step *= 10
