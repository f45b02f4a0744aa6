"""The managed block: the curated memory between two marker lines in somebody's instruction file.

Everything outside the markers is the user's own, byte for byte: its line ends, its byte order mark, the last line
feed it has or lacks. A file without a block gets one at its end; where its last line is not ended, the line feed
before the block is ours, and the block then ends the file without one, so that taking it out gives back what was there.

Markers that do not stand in one pair are told, with their lines, and nothing is guessed.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from appliance.errors import ConflictError, InvalidError

_BEGIN = re.compile(rb"<!-- membox:begin(?: ([0-9a-f]{64}))?[^\n]*-->[ \t\r]*")
_END = re.compile(rb"<!-- membox:end -->[ \t\r]*")
_MARKER = re.compile(r"<!--(?=\s*membox:(?:begin|end))")
_BOM = b"\xef\xbb\xbf"
_HINT = "kept by membox: what you change in here is replaced; write outside, or into the box's memory"


class State(StrEnum):
    """How a target's block is, against the memory. All but CURRENT are drift."""

    CURRENT = "current"
    STALE = "stale"  # of another text of the memory
    EDITED = "edited"  # of this one, and changed by hand since
    MISSING = "missing"  # no file, or no block in it
    DAMAGED = "damaged"  # its markers are no pair
    UNWRITABLE = "unwritable"  # cannot be read or written


def block_hash(memory: str) -> str:
    """What identifies a text of the memory in markers and check-ins: SHA-256 of what stands in a block, hexadecimal."""
    return _digest(_rendered(memory))


@dataclass(frozen=True, slots=True)
class Block:
    """A block in a file's bytes: where it begins and ends, the hash its marker names, and the lines in it."""

    start: int
    end: int
    named: str
    body: bytes

    @property
    def hash(self) -> str:
        """The hash of the memory whose text its lines are, whatever their line ends."""
        return _digest(self.text)

    @property
    def text(self) -> str:
        """Its lines, ending in line feeds."""
        return self.body.replace(b"\r\n", b"\n").decode()

    def state(self, wanted: str) -> State:
        """How it is, where the memory has the hash `wanted`."""
        if self.hash == wanted:
            return State.CURRENT
        return State.EDITED if self.hash != self.named else State.STALE


def found(content: bytes) -> Block | None:
    """The block in a file; None when it has no marker.

    Raises:
        ConflictError: `damaged_markers`; the sentence names their lines.
        InvalidError: `not_text`, the file is not UTF-8.
    """
    _check_text(content)
    begins: list[tuple[int, int, re.Match[bytes]]] = []
    ends: list[tuple[int, int, re.Match[bytes]]] = []
    at = len(_BOM) if content.startswith(_BOM) else 0
    for number, line in enumerate(content[at:].split(b"\n"), 1):
        if match := _BEGIN.fullmatch(line):
            begins.append((number, at, match))
        elif match := _END.fullmatch(line):
            ends.append((number, at, match))
        at += len(line) + 1
    if not begins and not ends:
        return None
    if len(begins) != 1 or len(ends) != 1 or ends[0][0] < begins[0][0]:
        raise _damaged([number for number, *_ in begins], [number for number, *_ in ends])
    (_, start, begin), (_, last, end) = begins[0], ends[0]
    body = content[min(start + len(begin.group()) + 1, last) : last]
    named = (begin[1] or b"").decode()
    return Block(start, min(last + len(end.group()) + 1, len(content)), named, body)


def placed(content: bytes, memory: str) -> bytes:
    """`content` with its block brought to `memory`, or with one at its end. Raises what `found` raises."""
    before = found(content)
    line_end = _line_end(content, before)
    lines = f"<!-- membox:begin {block_hash(memory)} {_HINT} -->\n{_rendered(memory)}<!-- membox:end -->"
    block = lines.encode().replace(b"\n", line_end)
    if before:
        ended = line_end if content[: before.end].endswith(b"\n") else b""
        return content[: before.start] + block + ended + content[before.end :]
    if content in (b"", _BOM) or content.endswith(b"\n"):
        return content + block + line_end
    return content + line_end + block


def taken_out(content: bytes) -> bytes:
    """`content` without its block; as it is when it has none. Raises what `found` raises."""
    block = found(content)
    if block is None:
        return content
    before, after = content[: block.start], content[block.end :]
    if not content[: block.end].endswith(b"\n"):
        before = before.removesuffix(_line_end(content, block))
    return before + after


def _rendered(memory: str) -> str:
    """The memory's text as it stands in a block: no line of it can be taken for a marker."""
    text = _MARKER.sub(r"<\\!--", memory)
    return text if not text or text.endswith("\n") else f"{text}\n"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _line_end(content: bytes, block: Block | None) -> bytes:
    """How lines end there: those of the block before, else the file's first."""
    first = content[block.start :] if block else content
    return b"\r\n" if first.partition(b"\n")[0].endswith(b"\r") and b"\n" in first else b"\n"


def _check_text(content: bytes) -> None:
    try:
        content.decode()
    except UnicodeDecodeError:
        raise InvalidError("not_text", "It is not UTF-8 text; save it as UTF-8.") from None
    if b"\0" in content:
        raise InvalidError("not_text", "It holds null bytes; save it as UTF-8 text.")


def _damaged(begins: list[int], ends: list[int]) -> ConflictError:
    said = [
        f"membox:{name} in {'line' if len(lines) == 1 else 'lines'} {', '.join(map(str, lines))}"
        for name, lines in (("begin", begins), ("end", ends))
        if lines
    ]
    return ConflictError(
        "damaged_markers",
        f"Its markers are no pair ({'; '.join(said)}): leave one membox:begin and one membox:end after it, or none.",
    )
