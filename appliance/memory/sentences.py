"""A text's sentences, in any script: where each begins and ends, by line breaks and by marks that end a sentence."""

import re
from collections.abc import Iterator

# A mark and what may close behind it; then a space and something that can begin a sentence. CJK marks need no space.
# Written so that it begins with the mark: a search leaps from one to the next.
_END = re.compile(r"[.!?…。！？](?:(?<=[.!?…])[\"'”’)\]]*(?=\s+[^\s\d\W]|\s+[\"'“‘(\[¿¡\d])|(?<=[。！？])[”’」』）]*)")
_ABBREVIATED = re.compile(
    r"(?:\b(?:[^\W\d_]|[Dd]r|[Mm]rs?|[Mm]s|[Pp]rof|[Ss]t|vs|approx|no|[Nn]r|e\.g|i\.e|z\.B|bzw|ca|cf)\.)\Z"
)
_LISTED = re.compile(r"(?:[-*+•]|\d{1,3}[.)])\s+|#{1,6}\s+|>\s*")


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Where each sentence of `text` begins and ends; marks of lists, headings and quotations are left out."""
    for line in re.finditer(r"[^\n\r\u2028\u2029]+", text):
        begin, end = line.span()
        if mark := _LISTED.match(text, begin + _blank(line.group()), end):
            begin = mark.end()
        for stop in _stops(text, begin, end):
            first, last = _stripped(text, begin, stop)
            if first < last:
                yield first, last
            begin = stop


def sentences(text: str) -> list[str]:
    """The sentences of `text`."""
    return [text[first:last] for first, last in spans(text)]


def _stops(text: str, begin: int, end: int) -> Iterator[int]:
    for match in _END.finditer(text, begin, end):
        after = match.start() + 1
        if not _ABBREVIATED.search(text, max(begin, after - 8), after):
            yield match.end()
    yield end


def _stripped(text: str, begin: int, end: int) -> tuple[int, int]:
    piece = text[begin:end]
    return begin + _blank(piece), begin + len(piece.rstrip())


def _blank(piece: str) -> int:
    return len(piece) - len(piece.lstrip())
