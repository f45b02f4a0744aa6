"""The notebook's sections among the items: kept in step with a file, seen by the team, named with file and line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, select

from appliance.errors import NotFoundError
from appliance.memory import NotebookSections
from appliance.quoting import barred
from appliance.storage import Database
from appliance.storage.schema import memory_items, notebook_sections, similarity_bands, tombstones

PATH = "projects/garden.md"


@dataclass(frozen=True)
class Section:
    text: str
    first_line: int = 1
    last_line: int = 1
    type: str = "fact"
    trust_level: str = "user_claim"
    occurred_at: int | None = None


Replace = Callable[..., None]


@pytest.fixture
def index(clock: Any) -> NotebookSections:
    return NotebookSections("home", clock)


@pytest.fixture
def replace(database: Database, index: NotebookSections) -> Replace:
    def replace(*sections: Section, path: str = PATH) -> None:
        database.write(lambda conn: index.replace(conn, path, sections))

    return replace


@pytest.fixture
def reader(caller: Callable[..., Any]) -> Any:
    return caller("ada", "reader")


def ids(database: Database) -> dict[str, str]:
    """The items' texts with their ids."""
    with database.read() as conn:
        return {row.text: row.memory_id for row in conn.execute(select(memory_items))}


def stored(database: Database, column: Any) -> Sequence[Any]:
    with database.read() as conn:
        return conn.execute(select(column)).scalars().all()


def test_a_section_is_recalled_by_the_team_with_file_and_line(reader: Any, replace: Replace) -> None:
    replace(Section("prune the vines in March", 3, 5, "policy", occurred_at=1_700_000_000_000))
    (item,) = reader.ask("vines", scope="team", explain=True).items
    assert (item.file, item.line, item.source_ref) == (PATH, 3, f"notebook:{PATH}#L3-L5")
    assert (item.type, item.occurred_at, item.salience) == ("policy", 1_700_000_000_000, 0.9)
    whole = reader.inspect(item.memory_id, scope="team")
    assert (whole.agent_id, whole.scope, whole.trust_level) == ("notebook", "team", "user_claim")
    assert reader.recall("vines", scope="private") == []


def test_another_tenant_does_not_see_it(caller: Callable[..., Any], replace: Replace) -> None:
    replace(Section("prune the vines in March"))
    assert caller("ada", "admin", "away").recall("vines", scope="global") == []


def test_what_did_not_change_keeps_its_id_and_gets_its_new_lines(
    database: Database, reader: Any, replace: Replace
) -> None:
    replace(Section("prune the vines", 1, 2), Section("harvest the pears", 3, 4))
    before = ids(database)
    replace(Section("a new beginning", 1, 1), Section("prune the vines", 2, 3), Section("harvest the pears", 4, 5))
    after = ids(database)
    assert after.keys() - before.keys() == {"a new beginning"}
    assert {text: after[text] for text in before} == before
    (item,) = reader.ask("pears", scope="team", explain=True).items
    assert (item.line, item.source_ref) == (4, f"notebook:{PATH}#L4-L5")


@pytest.mark.parametrize(
    "changed",
    [
        Section("prune the vines late"),
        Section("prune the vines", type="policy"),
        Section("prune the vines", trust_level="untrusted_web"),
        Section("prune the vines", occurred_at=5),
    ],
)
def test_what_changed_in_words_type_trust_or_time_is_a_new_item(
    database: Database, replace: Replace, changed: Section
) -> None:
    replace(Section("prune the vines"))
    before = set(ids(database).values())
    replace(changed)
    after = set(ids(database).values())
    assert len(after) == 1
    assert not before & after


def test_what_is_gone_leaves_nothing_behind(database: Database, reader: Any, replace: Replace) -> None:
    replace(Section("prune the vines"), Section("harvest the pears", 2, 2))
    replace(Section("harvest the pears", 1, 1))
    assert reader.recall("vines pears", scope="team") == ["harvest the pears"]
    rows = set(stored(database, memory_items.c.id))
    assert len(rows) == 1
    assert set(stored(database, notebook_sections.c.item_id)) == rows
    assert set(stored(database, similarity_bands.c.item_id)) == rows
    replace()
    for column in (memory_items.c.id, notebook_sections.c.item_id, similarity_bands.c.item_id):
        assert stored(database, column) == []
    assert database.check() == []


def test_the_same_words_twice_are_two_items_with_lines_of_their_own(database: Database, replace: Replace) -> None:
    replace(Section("water the beans", 1, 1), Section("water the beans", 5, 5))
    assert sorted(stored(database, notebook_sections.c.first_line)) == [1, 5]
    kept = set(stored(database, memory_items.c.memory_id))
    replace(Section("water the beans", 2, 2), Section("water the beans", 6, 6))
    assert sorted(stored(database, notebook_sections.c.first_line)) == [2, 6]
    assert set(stored(database, memory_items.c.memory_id)) == kept


def test_files_do_not_touch_each_others_sections(database: Database, replace: Replace) -> None:
    replace(Section("water the beans"))
    replace(Section("water the beans"), path="tasks/todo.md")
    replace(path="tasks/todo.md")
    assert stored(database, notebook_sections.c.path) == [PATH]


def test_blank_and_recalled_text_is_no_item(database: Database, replace: Replace) -> None:
    recalled = f"1. fact mem_00ff\n{barred('the gate code')}"
    replace(Section(" \n"), Section(recalled, 2, 3), Section(f"I disagree:\n{recalled}\n", 4, 6))
    assert list(ids(database)) == ["I disagree:"]


def test_lines_are_told_for_the_notebooks_own_items_only(
    database: Database, index: NotebookSections, caller: Callable[..., Any], replace: Replace
) -> None:
    replace(Section("prune the vines", 3, 5))
    (section_id,) = ids(database).values()
    own_id = caller("ada").keep("an item of ada's")
    with database.read() as conn:
        assert index.lines_of(conn, section_id) == (PATH, 3, 5)
        assert index.lines_of(conn, own_id) is None
        assert index.lines_of(conn, "mem_0") is None


def test_a_transaction_that_fails_leaves_the_sections_as_they_were(
    database: Database, index: NotebookSections, reader: Any, replace: Replace
) -> None:
    replace(Section("prune the vines"))

    def fail(conn: Any) -> None:
        index.replace(conn, PATH, [Section("harvest the pears")])
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        database.write(fail)
    assert reader.recall("vines pears", scope="team") == ["prune the vines"]


def test_a_writer_who_calls_itself_notebook_forgets_no_section(
    database: Database, caller: Callable[..., Any], replace: Replace
) -> None:
    from appliance.errors import ForbiddenError

    replace(Section("prune the vines"))
    (section_id,) = ids(database).values()
    with pytest.raises(ForbiddenError):
        caller("notebook", "writer").forget(section_id)


def test_a_forgotten_section_leaves_its_id_and_its_twin_keeps_another(
    database: Database, index: NotebookSections, reader: Any, replace: Replace
) -> None:
    replace(Section("prune the vines", 1, 1), Section("prune the vines", 3, 3))
    first, second = stored(database, memory_items.c.memory_id)

    def forget(conn: Connection) -> None:
        index.forget(conn, first)
        index.replace(conn, PATH, [Section("prune the vines", 1, 1)])

    database.write(forget)
    assert [item.memory_id for item in reader.ask("vines", scope="team").items] == [second]
    with pytest.raises(NotFoundError):
        reader.inspect(first, scope="team")
    assert stored(database, tombstones.c.memory_id) == [first]
    assert len(stored(database, notebook_sections.c.path)) == 1
