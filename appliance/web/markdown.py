"""Markdown as HTML that is safe to show: no raw HTML, no foreign images, only links a person can see through.

Every block carries the line it began on (`data-line`, and `id="L12"` once a line), so that a page can go to the line
that a search found.
"""

import posixpath
import re
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

from appliance.notebook.outline import code_lines, headings
from appliance.notebook.plaintext import lines_of

_TODO = re.compile(r"\[([ xX])\][ \t]+")
_ADDRESS = re.compile(r"https?://[^\s<>\"'`]+[^\s<>\"'`.,;:!?)\]}*_~]")
_COMMENT_LINE = re.compile(r"<!--.*-->[ \t]*\n")
_COMMENT = re.compile(r"<!--(.*)-->", re.DOTALL)
_NAMED_LINE = re.compile(r"#L\d+(?:-L\d+)?")
_LARGEST = 300_000  # characters; about two seconds of rendering, and nobody reads it rendered
_RULES = ("list_item_open", "paragraph_open", "fence", "code_block")
_SCHEMES = ("http", "https", "mailto")


@dataclass(frozen=True, slots=True)
class Part:
    """A heading with everything under it: lines 1-based, inclusive."""

    level: int
    title: str
    first_line: int
    last_line: int


def to_html(
    text: str, file: str = "", first_line: int = 1, can_tick: bool = False, constraints: Container[int] = ()
) -> Markup:
    """`text` rendered; links between files are taken from `file`, lines are counted from `first_line`.

    With `can_tick` the boxes of tasks can be ticked, by a script that asks for the line in `data-tick`. What begins on
    one of the lines `constraints` is marked as a hard constraint.
    """
    env = {"file": file, "first_line": first_line, "can_tick": can_tick, "constraints": constraints}
    return _rendered(text, env)


def marked_html(text: str, mark: Callable[[str], Markup], file: str = "") -> Markup:
    """`text` rendered without line numbers, its words outside code as `mark` (which escapes them) returns them."""
    return _rendered(text, {"file": file, "mark": mark})


def _rendered(text: str, env: dict[str, Any]) -> Markup:
    if len(text) > _LARGEST:
        return Markup("<pre>{}</pre>").format(text)
    return Markup(_renderer().render(_without_comment(text), env))  # noqa: S704 - the renderer escapes


def inline_html(text: str) -> Markup:
    """One line rendered, without a paragraph around it."""
    return Markup(_renderer().renderInline(text, {"file": ""}))  # noqa: S704 - the renderer escapes


def parts(text: str) -> list[Part]:
    """The headings of `text` and how far what stands under each reaches."""
    lines = lines_of(text)
    found = headings(lines, code_lines(lines)[0])
    return [
        Part(
            heading.level,
            heading.title,
            heading.index + 1,
            next((other.index for other in found[at + 1 :] if other.level <= heading.level), len(lines)),
        )
        for at, heading in enumerate(found)
    ]


def _without_comment(text: str) -> str:
    # The file's mark (<!-- membox v1 -->) is for programs; its line stays, so that lines keep their numbers.
    match = _COMMENT_LINE.match(text)
    return "\n" + text[match.end() :] if match else text


@lru_cache(maxsize=1)
def _renderer() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    markdown.validateLink = _is_safe  # type: ignore[method-assign]
    markdown.core.ruler.push("addresses", _link_addresses)
    markdown.core.ruler.push("todos", _mark_todos)
    markdown.core.ruler.push("comments", _show_comments)
    markdown.core.ruler.push("lines", _number_lines)
    markdown.add_render_rule("text", _text_marked)
    markdown.add_render_rule("image", _image_as_link)
    markdown.add_render_rule("link_open", _open_link)
    markdown.add_render_rule("table_open", lambda *_: '<div class="scroll"><table>\n')
    markdown.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return markdown


def _is_safe(url: str) -> bool:
    try:
        scheme = urlsplit(url.strip()).scheme
    except ValueError:
        return False
    return scheme.lower() in _SCHEMES if scheme else not url.startswith("//")


# -- after parsing ----------------------------------------------------------------------------------------------------


def _link_addresses(state: StateCore) -> None:
    """Make bare web addresses links."""
    for token in state.tokens:
        if token.type == "inline" and "://" in token.content:
            token.children = list(_with_links(token.children or []))


def _with_links(children: Iterable[Token]) -> Iterable[Token]:
    depth = 0
    for child in children:
        depth += {"link_open": 1, "link_close": -1}.get(child.type, 0)
        if child.type != "text" or depth or "://" not in child.content:
            yield child
            continue
        at = 0
        for match in _ADDRESS.finditer(child.content):
            yield from _text(child.content[at : match.start()])
            yield Token("link_open", "a", 1, attrs={"href": match.group()})
            yield from _text(match.group())
            yield Token("link_close", "a", -1)
            at = match.end()
        yield from _text(child.content[at:])


def _text(content: str) -> Iterable[Token]:
    if content:
        yield Token("text", "", 0, content=content)


def _mark_todos(state: StateCore) -> None:
    """Show `- [ ]` and `- [x]` as boxes."""
    for item, paragraph, inline in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        if item.type != "list_item_open" or paragraph.type != "paragraph_open" or not inline.children:
            continue
        first = inline.children[0]
        match = _TODO.match(first.content) if first.type == "text" else None
        if match is None:
            continue
        done = match.group(1) != " "
        first.content = first.content[match.end() :]
        attributes = 'checked aria-label="done"' if done else 'aria-label="open"'
        if state.env.get("can_tick") and item.map:
            attributes += f' data-tick="{item.map[0] + state.env["first_line"]}"'
        else:
            attributes += " disabled"
        inline.children.insert(0, Token("html_inline", "", 0, content=f'<input type="checkbox" {attributes}>'))
        item.attrSet("class", "todo done" if done else "todo")


def _show_comments(state: StateCore) -> None:
    """Show a comment as an aside: what agents read in a file, a person shall see too."""
    for paragraph, inline in zip(state.tokens, state.tokens[1:], strict=False):
        match = _COMMENT.fullmatch(inline.content) if paragraph.type == "paragraph_open" else None
        if match:
            paragraph.attrSet("class", "aside")
            inline.children = list(_text(" ".join(match[1].split())))


def _number_lines(state: StateCore) -> None:
    if "first_line" not in state.env:
        return
    named = set()
    for token in state.tokens:
        if token.map is None or token.nesting < 0 or token.type == "inline" or token.hidden:
            continue
        line = token.map[0] + int(state.env["first_line"])
        token.attrSet("data-line", str(line))
        if line in state.env.get("constraints", ()) and token.type in _RULES:
            token.attrJoin("class", "constraint")
        if line not in named:
            token.attrSet("id", f"L{line}")
            named.add(line)


# -- rendering --------------------------------------------------------------------------------------------------------


def _text_marked(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, env: EnvType
) -> str:
    mark = env.get("mark", Markup.escape)
    return str(mark(tokens[index].content))


def _open_link(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    token = tokens[index]
    href = str(token.attrGet("href") or "")
    if urlsplit(href).scheme:
        token.attrSet("rel", "noopener noreferrer")
    elif target := _in_notebook(href, str(env["file"])):
        token.attrSet("href", target)
    else:
        token.attrs.pop("href", None)  # it would lead nowhere from here
    return str(renderer.renderToken(tokens, index, options, env))


def _in_notebook(href: str, file: str) -> str:
    """The page of another file of the notebook that a relative link means; empty when it means none."""
    path, hash_sign, fragment = href.partition("#")
    if not path:
        return href if _NAMED_LINE.fullmatch(href) else ""
    named = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
    if not named.endswith(".md") or named.startswith(("/", "..")):
        return ""
    return f"/memory?path={quote(named)}{hash_sign}{quote(fragment)}"


def _image_as_link(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    # An image from elsewhere would tell its owner who reads this, and when; so its address is offered instead.
    source: Any = tokens[index].attrGet("src") or ""
    label = Markup.escape(tokens[index].content or source or "image")
    if not str(source).lower().startswith(("http://", "https://")):
        return str(label)
    return str(Markup('<a href="{}" rel="noopener noreferrer">{}</a>').format(source, label))
