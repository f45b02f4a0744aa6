"""A version as bytes: the whole text, or what changed since the version before it; compressed either way.

A delta is how many characters the two texts share at their beginning and at their end (whole lines), and the new
text between. A note appended to a day's file takes about its own compressed size.
"""

import struct
import zlib
from dataclasses import dataclass

_HEAD = struct.Struct(">II")
_MAX_CHAIN = 200


@dataclass(frozen=True)
class Shared:
    """How much of two texts is the same: `prefix` characters at the beginning, `suffix` at the end."""

    prefix: int
    suffix: int

    def middle(self, text: str) -> str:
        """The part of either text that the two do not share."""
        return text[self.prefix : len(text) - self.suffix]


def shared(old: str, new: str) -> Shared:
    """The whole lines that `old` and `new` have in common at the beginning and the end."""
    if new.startswith(old):
        return Shared(len(old), 0)
    prefix = old.rfind("\n", 0, _common(old, new, from_end=False)) + 1
    old_rest, new_rest = old[prefix:], new[prefix:]
    suffix = _common(old_rest, new_rest, from_end=True)
    if not (_at_line_start(old_rest, suffix) and _at_line_start(new_rest, suffix)):
        line_end = old_rest.find("\n", len(old_rest) - suffix) if suffix else -1
        suffix = len(old_rest) - line_end - 1 if line_end >= 0 else 0
    return Shared(prefix, suffix)


def _at_line_start(text: str, suffix: int) -> bool:
    """Whether the last `suffix` characters of `text`, itself beginning with a line, begin with a line too."""
    return suffix == len(text) or text[len(text) - suffix - 1] == "\n"


def _common(a: str, b: str, from_end: bool) -> int:
    """How many characters are equal at one end: halving, each step one comparison of slices at memory speed."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        half = (low + high + 1) // 2
        if from_end:
            same = a[len(a) - half : len(a) - low] == b[len(b) - half : len(b) - low]
        else:
            same = a[low:half] == b[low:half]
        low, high = (half, high) if same else (low, half - 1)
    return low


def full(text: str) -> bytes:
    """The body of a version that stands for itself."""
    return zlib.compress(text.encode())


def delta(old: str, new: str) -> bytes:
    """The body of version `new`, to be read on top of `old`."""
    same = shared(old, new)
    return _HEAD.pack(same.prefix, same.suffix) + zlib.compress(same.middle(new).encode())


def apply(old: str | None, is_full: bool, body: bytes) -> str:
    """The text of a version, from its body and, for a delta, the text before it."""
    if is_full:
        return zlib.decompress(body).decode()
    if old is None:
        raise ValueError("a delta needs the text it was made from")
    prefix, suffix = _HEAD.unpack_from(body)
    middle = zlib.decompress(body[_HEAD.size :]).decode()
    return old[:prefix] + middle + old[len(old) - suffix :]


def encode(old: str | None, new: str, chain: int, chain_bytes: int) -> tuple[bool, bytes]:
    """Whether version `new` is stored whole, and its body.

    Args:
        old: the text of the version before; None for the first.
        chain: deltas since the last whole version, `chain_bytes` their size: when they outgrow the text or number
            more than 200, the next version is whole, so that any version is read quickly.
    """
    if old is None or chain >= _MAX_CHAIN:
        return True, full(new)
    body = delta(old, new)
    return (True, full(new)) if chain_bytes + len(body) > len(new) else (False, body)
