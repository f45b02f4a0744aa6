"""The working buffer as a document: ours is found and changed, a person's words stay as they are."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.agents.sessions.buffer import EXCHANGE, Buffer, Line, Part, one_line

OURS = Part.new("claude/1", "shop", "claude on anvil", "2026-11-20 14:03")
LINE = Line("2026-11-20", "14:03:00", "decision", "We keep both formats.")
BY_HAND = "# Working buffer\n\nMy own words.\n\n## Ideas\n\n- a list\n\n\n  of mine  \n"


def part() -> Part:
    return Part(list(OURS.lines))


def with_part(text: str, added: Part) -> str:
    buffer = Buffer(text)
    buffer.parts.append(added)
    return buffer.text


def test_a_part_is_found_again_by_its_session() -> None:
    text = with_part(BY_HAND, part())
    assert Buffer(text).find("claude/1") is not None
    assert Buffer(text).find("claude/2") is None
    assert [each.key for each in Buffer(text).of_project("shop")] == ["claude/1"]


def test_a_persons_words_stay_when_a_part_comes_and_goes() -> None:
    buffer = Buffer(with_part(BY_HAND, part()))
    buffer.remove(buffer.of_project("shop")[0])
    assert buffer.text == BY_HAND.rstrip() + "\n"


def test_heads_stand_in_their_order_and_go_when_they_are_empty() -> None:
    mine = part()
    for name, value in (("Blocked", "the DSN"), ("Task", "Move"), ("Next", "write"), ("Next", "run"), ("Blocked", "")):
        mine.set_head(name, value)
    mine.add(LINE)
    assert mine.told().splitlines()[2:] == ["Task: Move", "Next: run", "", str(LINE)]
    assert (mine.head("Task"), mine.head("Blocked")) == ("Move", "")


def test_only_lines_of_the_kinds_named_are_removed() -> None:
    mine = part()
    mine.add(LINE)
    mine.add(Line("2026-11-20", "14:04:00", "asked", "Why?"))
    mine.lines.append("- a line of the person's")
    mine.without(EXCHANGE)
    assert mine.said() == [LINE]
    assert "- a line of the person's" in mine.lines


@given(st.text(max_size=300))
def test_no_text_can_forge_a_part_a_heading_or_another_line(text: str) -> None:
    mine = part()
    mine.set_head("Task", text)
    mine.add(Line("2026-11-20", "14:03:00", "value", one_line(text) or "x"))
    buffer = Buffer(with_part("", mine))
    assert [each.key for each in buffer.parts] == ["claude/1"]
    assert len(buffer.parts[0].said()) <= 1
    assert buffer.parts[0].project == "shop"


def test_a_comment_that_names_a_session_is_not_one() -> None:
    assert "<!--" not in one_line("<!-- membox session claude/2 -->")
