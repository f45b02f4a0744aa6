"""Words in the index: in step with the rows whatever is done to them, and found in every script."""

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, exists, insert, or_, select, true, update

from appliance.storage import Database
from appliance.storage.schema import memory_items, summary_sources
from appliance.text import content_words, searchable


def item(memory_id: str, text: str, tenant_id: str = "home") -> dict[str, Any]:
    return {
        "memory_id": memory_id,
        "tenant_id": tenant_id,
        "agent_id": "scribe",
        "scope": "private",
        "type": "fact",
        "text": text,
        "search_text": searchable(text),
        "trust_level": "user_claim",
        "trust": 0.7,
        "confidence": 0.66,
        "salience": 0.7,
        "created_at": 0,
        "occurred_at": 0,
    }


def store(database: Database, **texts: str) -> None:
    rows = [item(memory_id, text) for memory_id, text in texts.items()]
    database.write(lambda conn: conn.execute(insert(memory_items), rows).close())


def found(database: Database, query: str, limit: int = 50) -> list[str]:
    with database.read() as conn:
        return [row.memory_id for row in database.full_text(conn, content_words(query), true(), limit)]


def test_the_row_with_more_of_the_words_comes_first(database: Database) -> None:
    store(database, one="the gate is green", both="the green gate of the garden", none="a red door")
    assert set(found(database, "garden gate")) == {"one", "both"}
    assert found(database, "garden gate")[0] == "both"


def test_an_updated_row_is_found_by_its_new_words_only(database: Database) -> None:
    store(database, note="harvest the pears")
    new = searchable("prune the vines")
    database.write(
        lambda conn: conn.execute(update(memory_items).values(text="prune the vines", search_text=new)).close()
    )
    assert found(database, "vines") == ["note"]
    assert found(database, "pears") == []
    assert database.check() == []


def test_a_deleted_row_is_found_no_more(database: Database) -> None:
    store(database, gone="harvest the pears", stays="pears keep until March")
    database.write(lambda conn: conn.execute(delete(memory_items).where(memory_items.c.memory_id == "gone")).close())
    assert found(database, "pears") == ["stays"]
    assert database.check() == []


def test_rows_taken_back_with_their_savepoint_are_not_in_the_index(database: Database) -> None:
    def fail(conn: Connection) -> None:
        conn.execute(insert(memory_items), [item("lost", "unheard melody")])
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        database.write(fail)
    assert found(database, "melody") == []
    assert database.check() == []


def test_what_a_caller_may_see_is_part_of_the_query_and_not_applied_after_its_limit(database: Database) -> None:
    crowd = [item(f"theirs{number}", "the gate code is secret", "crowd") for number in range(500)]
    database.write(lambda conn: conn.execute(insert(memory_items), [*crowd, item("mine", "a gate")]).close())
    with database.read() as conn:
        rows = database.full_text(conn, ["gate"], memory_items.c.tenant_id == "home", 1)
    assert [row.memory_id for row in rows] == ["mine"]


def test_a_condition_of_alternatives_holds_beside_the_words(database: Database) -> None:
    rows = [
        item("ours", "a gate"),
        item("silent", "a door"),
        item("next", "no gate", "shed"),
        item("theirs", "gate", "x"),
    ]
    database.write(lambda conn: conn.execute(insert(memory_items), rows).close())
    visible = or_(memory_items.c.tenant_id == "home", memory_items.c.tenant_id == "shed")
    with database.read() as conn:
        assert {row.memory_id for row in database.full_text(conn, ["gate"], visible, 9)} == {"ours", "next"}
        assert {row.memory_id for row in database.containing(conn, ["gate"], visible, 9)} == {"ours", "next"}


def test_a_condition_that_looks_into_another_table_is_asked_of_each_item(database: Database) -> None:
    store(database, summary="all about the gate", source="the gate is green")
    links = select(memory_items.c.id, memory_items.c.id).where(memory_items.c.memory_id == "summary")
    database.write(
        lambda conn: conn.execute(insert(summary_sources).from_select(["summary_id", "source_id"], links)).close()
    )
    visible = ~exists().where(summary_sources.c.summary_id == memory_items.c.id)
    with database.read() as conn:
        assert [row.memory_id for row in database.full_text(conn, ["gate"], visible, 9)] == ["source"]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Die Straße ist gesperrt", "STRASSE"),
        ("Die Straße ist gesperrt", "straße"),
        ("ein Café in Genève", "cafe geneve"),
        ("a cafe in Geneva", "Café"),
        ("ο σοφός λόγος", "ΣΟΦΟΣ"),
        ("İstanbul'da toplantı", "istanbul"),
        ("ёлка и мёд", "елка"),
        ("東京タワーに行く", "東京"),
        ("東京タワーに行く", "タワー"),
        ("東京タワーに行く", "京"),
        ("会议在星期五", "星期五"),
        ("ｶﾞｲﾄﾞを読む", "ガイド"),
        ("회의는 금요일에 있다", "금요일"),
        ("ภาษาไทยง่าย", "ไทย"),
        ("हिन्दी भाषा", "हिन्दी"),
        ("שָׁלוֹם עולם", "שלום"),
        ("السَّلامُ عليكم", "السلام"),
        ("the ﬁnal oﬀer", "final offer"),
        ("deployments were running", "deployment run"),
        ("soft\u00adware", "software"),
    ],
)
def test_a_text_is_found_however_its_words_are_written(database: Database, text: str, query: str) -> None:
    store(database, it=text, other="nothing of the kind")
    assert found(database, query) == ["it"]


def test_voiced_kana_are_not_taken_for_unvoiced(database: Database) -> None:
    store(database, bus="バスを待つ", lotus="ハスを待つ")
    assert found(database, "バス")[0] == "bus"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=60))
@example("Ⓐ¼ x²")
@example("a\u0345ᾳ")
@example("가각")
@example("﷽ ﷺ")
@example("𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐐀 𞤀")
def test_whatever_the_script_a_text_is_found_by_each_of_its_own_words(database: Database, text: str) -> None:
    def work(conn: Connection) -> None:
        conn.execute(delete(memory_items))
        conn.execute(insert(memory_items), [item("it", text)])

    database.write(work)
    missed = [word for word in content_words(text) if found(database, word) != ["it"]]
    assert missed == []


def test_marks_and_operators_of_the_search_language_are_plain_words(database: Database) -> None:
    store(database, it="NEAR the AND gate OR not")
    for query in (
        '"gate',
        "gate*",
        "gate AND",
        "search_text:gate",
        "^gate",
        "(gate",
        "gate -near",
        "{gate}",
        "NEAR(gate",
    ):
        assert found(database, query) == ["it"], query


def test_no_words_find_nothing(database: Database) -> None:
    store(database, it="something")
    for query in ("", "   ", "?!", "—"):
        assert found(database, query) == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_index_is_checked_against_its_rows(database: Database) -> None:
    store(database, it="something")
    assert database.check() == []
    with database.read() as conn:
        row_id = conn.execute(select(memory_items.c.id)).scalar_one()

    def break_step(conn: Connection) -> None:
        conn.exec_driver_sql(
            "INSERT INTO memory_fts(memory_fts, rowid, search_text) VALUES ('delete', ?, 'something')", (row_id,)
        )

    database.write(break_step)
    assert database.check() != []


@pytest.mark.parametrize(
    "query",
    [
        "".join(chr(0x4E00 + number) for number in range(1024)),
        " ".join(f"{number:x}" for number in range(0x1000, 0x1000 + 204)),
        "a b c d e f g h " * 64,
        "京 " * 512,
    ],
)
def test_a_query_of_the_greatest_length_is_answered(database: Database, query: str) -> None:
    store(database, it=f"first {query.split()[-1][:4]} last")
    assert found(database, query) == ["it"]
