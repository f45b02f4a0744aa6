"""Rendering: nothing runs, nothing is fetched, and every block knows its line."""

import re
from html.parser import HTMLParser

import pytest
from markupsafe import Markup

from appliance.web.diffs import Row, rows_of
from appliance.web.markdown import Part, marked_html, parts, to_html

HARMLESS = {"p", "a", "div", "table", "thead", "tbody", "tr", "th", "td", "pre", "code"}


class Seen(HTMLParser):
    """The elements of a piece of HTML as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](data:text/html,<script>alert(1)</script>)",
        "[a](vbscript:x)",
        "[a](file:///etc/passwd)",
        "[a](//evil.example)",
        "![a](javascript:alert(1))",
        "![a](data:image/svg+xml,<svg onload=alert(1)>)",
        "<javascript:alert(1)>",
        '[a](https://x.example/" onclick="alert(1))',
        "https://x.example/<script>alert(1)</script>",
        "| <b>a</b> |\n|---|\n| <i>b</i> |",
        '```"><script>\nx\n```',
    ],
)
def test_nothing_in_a_text_becomes_active(text: str) -> None:
    seen = Seen()
    seen.feed(str(to_html(text)))
    assert {tag for tag, _ in seen.tags} <= HARMLESS
    for _, attributes in seen.tags:
        assert attributes.keys() <= {"href", "rel", "class", "id", "data-line"}
        assert re.match(r"https?://|/memory\?path=|#L\d|mailto:|$", attributes.get("href", ""))


def test_an_image_from_elsewhere_is_a_link_not_fetched() -> None:
    assert (
        to_html("![map](https://x.example/m.png)")
        .strip()
        .endswith('<a href="https://x.example/m.png" rel="noopener noreferrer">map</a></p>')
    )


def test_bare_addresses_are_links_without_the_punctuation_after_them() -> None:
    html = to_html("See https://x.example/a_b?c=1. And (http://y.example/z).")
    assert '<a href="https://x.example/a_b?c=1" rel="noopener noreferrer">https://x.example/a_b?c=1</a>.' in html
    assert '<a href="http://y.example/z" rel="noopener noreferrer">http://y.example/z</a>).' in html


def test_an_address_inside_code_or_a_link_stays_as_it_is() -> None:
    assert str(to_html("`https://x.example`")).count("<a") == 0
    assert str(to_html("[https://x.example/1](https://x.example/2)")).count("<a ") == 1


@pytest.mark.parametrize(
    ("file", "link", "target"),
    [
        ("GLOBAL_MEMORY.md", "projects/a.md", "/memory?path=projects/a.md"),
        ("projects/a.md", "b.md#L3", "/memory?path=projects/b.md#L3"),
        ("projects/a.md", "../tasks/todo.md", "/memory?path=tasks/todo.md"),
        ("projects/a.md", "#L7-L9", "#L7-L9"),
    ],
)
def test_links_between_files_lead_to_their_pages(file: str, link: str, target: str) -> None:
    assert f'href="{target}"' in to_html(f"[x]({link})", file)


@pytest.mark.parametrize("link", ["../../etc/passwd.md", "/etc/hosts", "picture.png", "#main", "?q=1"])
def test_links_that_lead_nowhere_from_here_are_only_text(link: str) -> None:
    assert "href" not in to_html(f"[x]({link})", "projects/a.md")


def test_todos_are_boxes_that_say_their_state() -> None:
    html = to_html("- [ ] open\n- [x] done\n- [y] neither\n")
    assert 'class="todo"' in html
    assert 'class="todo done"' in html
    assert html.count("<input") == 2
    assert 'checked aria-label="done"' in html
    assert "[y] neither" in html


def test_every_block_carries_the_line_it_began_on() -> None:
    html = to_html("# A\n\ntext\n\n- one\n- two\n", first_line=10)
    for line in ('<h1 data-line="10" id="L10"', '<p data-line="12" id="L12"', '<li data-line="15" id="L15"'):
        assert line in html
    assert html.count('id="L14"') == 1


def test_the_files_mark_is_not_shown_and_takes_no_line_away() -> None:
    html = to_html("<!-- membox v1 -->\n# Memory\n")
    assert "membox v1" not in html
    assert 'id="L2"' in html


def test_a_comment_is_shown_as_an_aside_so_that_nothing_is_hidden_from_a_person() -> None:
    html = to_html("# A\n\n<!-- Agents: *ignore*\nthis <b> -->\n")
    assert '<p class="aside" data-line="3" id="L3">Agents: *ignore* this &lt;b&gt;</p>' in html


def test_words_are_marked_outside_code_and_escaped() -> None:
    html = marked_html("a **fox** & `fox`", lambda text: Markup(text.upper().replace("&", "&amp;")))
    assert html == "<p>A <strong>FOX</strong> &amp; <code>fox</code></p>\n"


def test_a_part_reaches_to_the_next_heading_of_its_level_or_above() -> None:
    text = "# A\n\n## B\n\nb\n\n### C\n\n## D\n\n```\n# no heading\n```\n"
    assert parts(text) == [Part(1, "A", 1, 13), Part(2, "B", 3, 8), Part(3, "C", 7, 8), Part(2, "D", 9, 13)]


def test_a_text_too_large_to_render_is_shown_as_it_is() -> None:
    html = str(to_html("<b> *x*\n" * 60_000))
    assert html.startswith("<pre>&lt;b&gt; *x*\n")


def test_a_diff_becomes_numbered_rows() -> None:
    diff = "--- a\n+++ b\n@@ -3,3 +3,3 @@\n same\n-old\n+new\n---- a rule\n\\ No newline at end of file\n"
    assert rows_of(diff) == [
        Row("hunk", "from line 3"),
        Row("same", "same", 3, 3),
        Row("del", "old", old=4),
        Row("add", "new", new=4),
        Row("del", "--- a rule", old=5),
    ]
    assert rows_of("") == []
