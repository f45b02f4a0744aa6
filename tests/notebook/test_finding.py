"""Searching the files word for word, ticking tasks, and what a line was before."""

from collections.abc import Callable

import pytest

from appliance.errors import ConflictError, InvalidError, NotFoundError
from appliance.notebook import Notebook

FILE = "notes.md"


@pytest.fixture
def written(notebook: Notebook) -> Callable[..., None]:
    """Saves a file as it is to be, on top of what it is."""

    def write(text: str, path: str = FILE) -> None:
        version = next((info.version for info in notebook.documents() if info.path == path), 0)
        notebook.save(path, text, version, "me")

    return write


def test_a_line_is_found_by_all_its_words_with_the_lines_around_it(
    notebook: Notebook, written: Callable[..., None]
) -> None:
    written("# Keys\n\nThe spare key\nhangs in the CELLAR, left of the key rack.\nAsk first.\n")
    (found,) = notebook.find("cellar key")
    assert (found.path, found.line) == (FILE, 4)
    assert (found.before, found.after) == (["The spare key"], ["Ask first."])


@pytest.mark.parametrize(
    ("query", "lines"),
    [('"spare key"', [1]), ("spare key", [1, 2]), ("crème", [3]), ("CREME", [3]), ("nowhere", []), ("  ", [])],
)
def test_phrases_stay_together_and_case_and_accents_do_not_matter(
    notebook: Notebook, written: Callable[..., None], query: str, lines: list[int]
) -> None:
    written("the spare key\na key that is spare\nla crème\n")
    assert [each.line for each in notebook.find(query)] == lines


def test_the_curated_memory_comes_first_then_what_changed_last(
    notebook: Notebook, written: Callable[..., None]
) -> None:
    for path in ("GLOBAL_MEMORY.md", "a.md", "archive/b.md"):
        written("a heron\n", path)
    assert [each.path for each in notebook.find("heron")] == ["GLOBAL_MEMORY.md", "archive/b.md", "a.md"]
    assert len(notebook.find("heron", limit=2)) == 2


def test_a_task_is_ticked_and_cleared(notebook: Notebook, written: Callable[..., None]) -> None:
    written("# To do\n\n- [ ] water the herbs\n  1. [x] find the can\n")
    assert notebook.tick(FILE, 3, True, 1, "me").version == 2
    notebook.tick(FILE, 4, False, 2, "me")
    assert notebook.read(FILE).text == "# To do\n\n- [x] water the herbs\n  1. [ ] find the can\n"


def test_a_task_is_ticked_where_it_has_moved_to_since_it_was_shown(
    notebook: Notebook, written: Callable[..., None]
) -> None:
    written("- [ ] one\n- [ ] two\n")
    written("# New\n\n- [ ] one\n- [ ] and a half\n- [ ] two\n")
    assert notebook.tick(FILE, 2, True, 1, "me").merged
    assert notebook.read(FILE).text == "# New\n\n- [ ] one\n- [ ] and a half\n- [x] two\n"


def test_a_task_that_is_another_by_now_is_not_ticked(notebook: Notebook, written: Callable[..., None]) -> None:
    written("- [ ] one\n")
    written("- [ ] another thing\n")
    with pytest.raises(ConflictError):
        notebook.tick(FILE, 1, True, 1, "me")


@pytest.mark.parametrize("line", [1, 2, 9])
def test_what_is_no_task_is_not_ticked(notebook: Notebook, written: Callable[..., None], line: int) -> None:
    written("plain [ ] words\n\n")
    with pytest.raises(InvalidError):
        notebook.tick(FILE, line, True, 1, "me")


def test_a_line_tells_what_it_was_before(notebook: Notebook, written: Callable[..., None]) -> None:
    written("a\nThe heater comes on Monday.\nz\n")
    written("top\na\nThe heater comes on Tuesday.\nz\n")
    written("top\na\nThe heater comes on Tuesday at nine.\nz\n")
    told = notebook.past.story(FILE, 3)
    assert [(each.version, each.text) for each in told] == [
        (3, "The heater comes on Tuesday at nine."),
        (2, "The heater comes on Tuesday."),
        (1, "The heater comes on Monday."),
    ]
    assert [each.version for each in notebook.past.story(FILE, 1)] == [2]


def test_a_line_that_took_the_place_of_another_thing_is_new(notebook: Notebook, written: Callable[..., None]) -> None:
    written("a\nThe heater comes on Monday.\n")
    written("a\nqwx 123\n")
    assert [each.version for each in notebook.past.story(FILE, 2)] == [2]


def test_a_line_that_is_not_there_has_no_story(notebook: Notebook, written: Callable[..., None]) -> None:
    written("a\n")
    with pytest.raises(InvalidError):
        notebook.past.story(FILE, 2)
    with pytest.raises(NotFoundError):
        notebook.past.story("none.md", 1)
