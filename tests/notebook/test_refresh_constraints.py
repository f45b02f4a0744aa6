"""Hard constraints outlive every reply: for any file and any reply no line of them is lost or turned around."""

from collections import Counter

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from appliance.errors import RefusedError
from appliance.notebook.outline import open_fence
from appliance.notebook.plaintext import lines_of
from appliance.notebook.refresh.constraints import guarded
from appliance.notebook.refresh.rules import constraint_lines
from appliance.notebook.refresh.stance import stance_of

MEMORY = """<!-- membox v1 -->
# Memory

## Current priorities

- Ship it

## Hard constraints

<!-- What must never or always happen. -->

- Never push to main without review.
- Never:
  - email Ana
  - use sudo
- Always run the tests

### Git

1. Sign every commit

## Decisions

- 2026-11-01: SQLite, as it needs no server
"""
PUSH = "- Never push to main without review."


def replaced(old: str, new: str) -> str:
    assert old in MEMORY
    return MEMORY.replace(old, new)


# What a reply does to a constraint, one by one


def test_a_reply_that_keeps_them_is_taken_as_it_is() -> None:
    reply = replaced("- Ship it", "- Ship it by May")
    assert guarded(MEMORY, reply).text == reply


@pytest.mark.parametrize(
    "lost", [PUSH, "- Always run the tests", "  - use sudo", "1. Sign every commit", "### Git\n\n1. Sign every commit"]
)
def test_a_dropped_line_is_put_back_where_it_stood(lost: str) -> None:
    guard = guarded(MEMORY, replaced(f"{lost}\n", ""))
    assert guard.text == MEMORY
    assert guard.put_back == [lost.split("\n")[-1].strip(" -1.") + ("." if lost == PUSH else "")]
    assert guard.offers == []


def test_a_dropped_section_is_put_back_with_its_title_and_comment() -> None:
    start, end = MEMORY.index("## Hard"), MEMORY.index("## Decisions")
    guard = guarded(MEMORY, MEMORY[:start] + MEMORY[end:])
    assert guard.text == MEMORY
    assert len(guard.put_back) == 6


@pytest.mark.parametrize(
    ("kept", "wording"),
    [
        (PUSH, "- Don't push to main without a review first."),
        (PUSH, "- Never push to main with a review."),
        (PUSH, "- ~~Never push to main without review.~~"),
        (PUSH, "- Never push to main without review, if there is time for one."),
        ("- Always run the tests", "- Run all of the tests every time"),
        ("  - email Ana", "  - email Ana Lopez"),
        ("1. Sign every commit", "1. Sign commits"),
    ],
)
def test_a_reworded_line_is_kept_and_its_wording_offered(kept: str, wording: str) -> None:
    guard = guarded(MEMORY, replaced(f"{kept}\n", f"{wording}\n"))
    assert guard.text == MEMORY
    assert [(offer.kept, offer.offered) for offer in guard.offers] == [(f"{kept}\n", f"{wording}\n")]
    assert guard.put_back == []


def test_another_title_for_them_is_no_second_section() -> None:
    assert guarded(MEMORY, replaced("## Hard constraints", "## Constraints:")).text == MEMORY


def test_only_another_way_to_write_a_line_is_not_worth_an_offer() -> None:
    guard = guarded(MEMORY, replaced(PUSH, "* **Never** push to `main` without review"))
    assert (guard.text, guard.put_back, guard.offers) == (MEMORY, [], [])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (PUSH, "- Pushing to main without review is fine."),
        (PUSH, "- Push to main without review."),
        (PUSH, "- Always push to main without review."),
        (PUSH, f"{PUSH}\n- Pushing to main is okay on Fridays."),
        (PUSH, "- It is no longer forbidden to push to main without review."),
        ("- Never:\n", "- Always:\n"),
        ("- Never:\n", "- You may:\n"),
        ("- Always run the tests", "- Running the tests is optional"),
        ("- Always run the tests", "- Never run the tests"),
        ("- Always run the tests", "- You don't have to run the tests"),
        ("- Ship it", "- Ship it\n- Pushing to main without review is allowed for this"),
        ("- Ship it", "- Ship it\n- Push to main without review"),
        ("## Hard constraints", "## Former constraints"),
        ("## Hard constraints", "## Rules that no longer apply"),
        ("- 2026-11-01", "- 2026-11-20: the ban on pushing to main without review was lifted\n- 2026-11-01"),
        ("- 2026-11-01", "- 2026-11-20: ignore the rule to run the tests\n- 2026-11-01"),
    ],
)
def test_a_reversal_anywhere_refuses_the_reply_whole(old: str, new: str) -> None:
    with pytest.raises(RefusedError, match="opposite") as refused:
        guarded(MEMORY, replaced(old, new))
    assert refused.value.word == "refused"


@pytest.mark.parametrize(
    "line",
    [
        "- Pushed the fix to main after its review",
        "- Emailed the tax office, waiting for an answer",
        "- All tests ran green on 2026-11-19",
        "- Ana's sudo course starts in May",
        "- Emailed Ana, she is fine with the date",
        "- We have emailed Ana about the May release",
        "- Decided on 2026-11-03 not to run the tests of the old shop any further",
    ],
)
def test_a_report_of_something_done_is_no_reversal(line: str) -> None:
    reply = replaced("- Ship it", f"- Ship it\n{line}")
    assert guarded(MEMORY, reply).text == reply


@pytest.mark.parametrize(
    ("behind", "line"),
    [
        ("- Always run the tests", "- Never deploy on Fridays"),
        ("  - use sudo", "  - call before nine"),
        ("1. Sign every commit", "2. Rebase before a merge"),
    ],
)
def test_a_new_line_is_added_where_the_reply_has_it(behind: str, line: str) -> None:
    reply = replaced(f"{behind}\n", f"{behind}\n{line}\n")
    guard = guarded(MEMORY, reply)
    assert (guard.text, guard.offers) == (reply, [])


def test_a_new_line_is_not_mixed_into_a_list_that_says_something_else() -> None:
    reply = replaced("- Always run the tests\n", "- Always run the tests\n  - on both machines\n").replace(
        "- Ship it\n", "- Ship it\n"
    )
    assert "- Always run the tests\n  - on both machines\n" in guarded(MEMORY, reply).text


def test_what_stands_beside_a_dropped_line_may_have_taken_its_place_and_is_only_offered() -> None:
    guard = guarded(MEMORY, replaced(PUSH, "- Ask Bert before each release."))
    assert guard.text == MEMORY
    assert [offer.offered for offer in guard.offers] == ["- Ask Bert before each release.\n"]


def test_sections_of_two_projects_are_not_mixed_up() -> None:
    base = "# M\n\n## Shop\n\n### Constraints\n\n- Ask Ana\n\n## Blog\n\n### Constraints\n\n- Ask Bert\n"
    swapped = base.replace("Ask Ana", "X").replace("Ask Bert", "Ask Ana").replace("X", "Ask Bert")
    assert guarded(base, swapped).text == base


@pytest.mark.parametrize(
    "title",
    [
        "# Hard constraints",
        "#### Constraints",
        "## HARD CONSTRAINTS:",
        "## 3. **Constraints**",
        "Constraints\n-----------",
    ],
)
def test_the_section_is_known_at_any_level_and_in_any_dress(title: str) -> None:
    base = f"{title}\n\n- Never X and Y\n"
    assert constraint_lines(base) == {len(title.split("\n")) + 2}
    assert "- Never X and Y\n" in guarded(base, "# Something else\n\nNothing.\n").text


def test_a_section_that_ends_in_open_code_swallows_nothing() -> None:
    base = "# M\n\n## Other\n\n- a\n\n## Constraints\n\n- Run this:\n\n```sh\nmake check\n"
    result = guarded(base, "# M\n\n## Constraints\n\n## Other\n\n- a\n").text
    assert "make check\n```\n" in result
    assert result.index("make check") < result.index("## Other")


# For any file and any reply

WORDS = st.sampled_from(
    ["never push to main", "always ask Ana", "use tabs", "X is fine", "nie auf main pushen", "call 112", "日本語で書く"]
)
LINES = st.one_of(
    st.sampled_from(["## Hard constraints", "### Constraints", "# Memory", "## Decisions", "### Never", "", "", "---"]),
    st.sampled_from(["```", "~~~", "<!-- hint -->", "> quoted", "| a | b |", "***", "====="]),
    st.builds(lambda indent, mark, words: f"{indent}{mark} {words}", st.sampled_from(["", "  ", "    "]),
              st.sampled_from(["-", "*", "1.", "- [ ]"]), WORDS),
    WORDS,
)  # fmt: skip
DOCUMENTS = st.lists(LINES, min_size=1, max_size=14).map(lambda lines: "\n".join(lines).strip("\n") + "\n")


@st.composite
def replies(draw: st.DrawFn) -> tuple[str, str]:
    """A file, and a reply that is any text or what a careless model makes of the file."""
    base = draw(DOCUMENTS)
    if draw(st.booleans()):
        return base, draw(DOCUMENTS)
    lines = lines_of(base)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines)))
        what = draw(st.sampled_from(["drop", "add", "swap", "twice"]))
        if what == "drop":
            lines[at : at + draw(st.integers(1, 5))] = []
        elif what == "add":
            lines.insert(at, draw(LINES))
        elif what == "twice":
            lines[at:at] = lines[at : at + 3]
        else:
            lines = lines[at:] + lines[:at]
    return base, "\n".join(lines) + "\n"


def under_constraints(text: str) -> Counter[str]:
    """What another reader of Markdown finds in sections of constraints: each block's text."""
    found: Counter[str] = Counter()
    level = 0
    tokens = MarkdownIt("commonmark").parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "inline" and before is not None and before.type == "heading_open" and before.level == 0:
            depth = int(before.tag[1:])
            if not level or depth <= level:
                level = depth if token.content.strip().lower() in ("hard constraints", "constraints") else 0
                continue
        if level and token.type in ("inline", "fence", "code_block"):
            found.update(line.strip() for line in token.content.split("\n") if line.strip())
    return found


@settings(max_examples=200)
@given(replies())
@example(("## Constraints\n\n- use tabs\n", "\n"))
def test_no_line_of_them_is_ever_lost(both: tuple[str, str]) -> None:
    base, reply = both
    try:
        result = guarded(base, reply).text
    except RefusedError:
        return
    lost = {lines_of(base)[line - 1] for line in constraint_lines(base)} - set(lines_of(result))
    assert not lost
    assert not under_constraints(base) - under_constraints(result), result


@settings(max_examples=80)
@given(replies())
def test_a_result_is_settled(both: tuple[str, str]) -> None:
    base, reply = both
    assume(not open_fence(base) and not open_fence(reply))
    try:
        result = guarded(base, reply).text
    except RefusedError:
        return
    again = guarded(base, result)
    assert (again.text, again.put_back) == (result, [])


@given(WORDS, st.sampled_from(["", "## Decisions\n\n", "## Hard constraints\n\n"]))
def test_none_is_ever_turned_around(words: str, place: str) -> None:
    base = "## Hard constraints\n\n- Never email Ana before noon\n\n## Decisions\n\n- none\n"
    turned = f"- Emailing Ana before noon is fine\n- {words}\n"
    reply = base.replace(place, place + turned) if place else base + turned
    with pytest.raises(RefusedError):
        guarded(base, reply)


# Which words turn around


@pytest.mark.parametrize(
    ("constraint", "other"),
    [
        ("Nie auf main pushen", "Auf main pushen ist erlaubt"),
        ("Ne jamais pousser sur main", "Pousser sur main est permis"),
        ("Nunca publicar los viernes", "Publicar los viernes está permitido"),
        ("Never push if the tests do not pass", "Pushing is fine even if the tests do not pass"),
        ("Never skip the tests", "Skip the tests"),
        ("No exceptions: never store passwords", "Passwords can be stored"),
        ("Always encrypt backups", "Backups need no encryption"),
    ],
)
def test_a_reversal_is_known_by_its_words(constraint: str, other: str) -> None:
    mine, theirs = stance_of(constraint), stance_of(other)
    assert mine.is_turned_by(theirs)
    assert mine.shares(theirs) >= 0.5


@pytest.mark.parametrize(
    ("constraint", "other"),
    [
        ("Never push to main", "Do not push to main"),
        ("No deploys on Fridays", "Never deploy on a Friday"),
        ("Never push unless the tests pass", "Never push when the tests fail"),
        ("Always ask Ana", "Ask Ana every time"),
    ],
)
def test_another_wording_is_none(constraint: str, other: str) -> None:
    assert not stance_of(constraint).is_turned_by(stance_of(other))
