"""Changes to a JSON text that leave all else of it as it is: spaces, order, comments, line ends.

Only what is needed to add elements to lists of an object and to take them out again. Comments and trailing commas are
accepted, as editors leave them in settings files.
"""

import json
import re
from dataclasses import dataclass

from appliance.errors import InvalidError

_SPACE = re.compile(r"(?:[ \t\r\n\ufeff]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORD = re.compile(r"[-+.\w]+")


@dataclass(frozen=True, slots=True)
class Node:
    """A value in the text: from `start` to `end` (exclusive); members of an object by name, or elements of a list."""

    start: int
    end: int
    members: dict[str, "Node"] | None = None
    elements: tuple["Node", ...] | None = None
    key_start: int = 0


def parse(text: str) -> Node:
    """The value that the text is.

    Raises:
        InvalidError: `bad_json`.
    """
    node = _value(text, _skip(text, 0))
    if _skip(text, node.end) != len(text):
        raise _bad(text, node.end)
    return node


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int) -> Node:
    if text[at : at + 1] == "{":
        return _object(text, at)
    if text[at : at + 1] == "[":
        return _list(text, at)
    found = _STRING.match(text, at) or _WORD.match(text, at)
    if not found:
        raise _bad(text, at)
    return Node(at, found.end())


def _object(text: str, at: int) -> Node:
    members: dict[str, Node] = {}
    here = _skip(text, at + 1)
    while text[here : here + 1] != "}":
        key = _STRING.match(text, here)
        colon = _skip(text, key.end()) if key else here
        if not key or text[colon : colon + 1] != ":":
            raise _bad(text, here)
        value = _value(text, _skip(text, colon + 1))
        members[json.loads(key.group())] = Node(value.start, value.end, value.members, value.elements, key.start())
        here = _after(text, value.end, "}")
    return Node(at, here + 1, members=members)


def _list(text: str, at: int) -> Node:
    elements: list[Node] = []
    here = _skip(text, at + 1)
    while text[here : here + 1] != "]":
        elements.append(_value(text, here))
        here = _after(text, elements[-1].end, "]")
    return Node(at, here + 1, elements=tuple(elements))


def _after(text: str, at: int, closing: str) -> int:
    """Past the comma behind a member or element, or at the closing bracket."""
    here = _skip(text, at)
    if text[here : here + 1] == ",":
        return _skip(text, here + 1)
    if text[here : here + 1] != closing:
        raise _bad(text, here)
    return here


def _bad(text: str, at: int) -> InvalidError:
    line = text.count("\n", 0, at) + 1
    return InvalidError("bad_json", f"It is no JSON in line {line}.")


def added(text: str, into: Node, value: str) -> str:
    """`text` with `value` (JSON; for an object with its key) as the last member or element of `into`."""
    inner = list((into.members or {}).values()) or list(into.elements or ())
    line_end = "\r\n" if "\r\n" in text else "\n"
    closing = into.end - 1
    if not inner:
        indent = _indent(text, into.start)
        step = "  "
        block = value.replace("\n", f"{line_end}{indent}{step}")
        return f"{text[: into.start + 1]}{line_end}{indent}{step}{block}{line_end}{indent}{text[closing:]}"
    last = inner[-1]
    first = inner[0].key_start if into.members else inner[0].start
    is_on_lines = "\n" in text[into.start : first]
    indent = _indent(text, first) if is_on_lines else ""
    block = value.replace("\n", f"{line_end}{indent}") if is_on_lines else value
    between = f",{line_end}{indent}" if is_on_lines else ", "
    trailing = text[_skip(text, last.end) : _skip(text, last.end) + 1] == ","
    at = _skip(text, last.end) + 1 if trailing else last.end
    return f"{text[:at]}{between.removeprefix(',') if trailing else between}{block}{text[at:]}"


def removed(text: str, outer: Node, inner: Node) -> str:
    """`text` without the member or element `inner` of `outer`, and without the comma and space that were its own."""
    start = inner.key_start or inner.start
    others = list((outer.members or {}).values()) or list(outer.elements or ())
    at = [other.start for other in others].index(inner.start)
    if len(others) == 1:
        return (
            f"{text[: outer.start + 1]}{text[outer.end - 1 :]}" if not _notes(text, outer) else _cut(text, start, inner)
        )
    if at:
        before = others[at - 1].end
        if not _notes_between(text, before, start):
            return text[:before] + text[inner.end :]
        return _cut(text, start, inner)
    following = others[1].key_start or others[1].start
    return text[:start] + text[following:]


def _cut(text: str, start: int, inner: Node) -> str:
    """Without a value and the comma behind it, comments around it kept."""
    here = _skip(text, inner.end)
    return text[:start] + text[here + 1 if text[here : here + 1] == "," else inner.end :]


def _notes(text: str, outer: Node) -> bool:
    inner = next(iter((outer.members or {}).values()), None) or (outer.elements or (outer,))[0]
    start = inner.key_start or inner.start
    return _notes_between(text, outer.start + 1, start) or _notes_between(text, inner.end, outer.end - 1)


def _notes_between(text: str, start: int, end: int) -> bool:
    return bool(text[start:end].strip(" \t\r\n,"))


def _indent(text: str, at: int) -> str:
    """The space that the line of a place begins with."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]
