"""Which files load as data sets: the documented form, Brainstem's, its variants, and conversations."""

import json
from pathlib import Path
from typing import Any

import pytest

from appliance.bench import dataset as room
from appliance.bench.conversations import cut, evidence_ids
from appliance.bench.dataset import Dataset, load_dataset
from appliance.errors import InvalidError

SEEDS = [{"id": "tin", "text": "The key is in the blue tin."}, {"id": "tap", "text": "The tap drips."}]
CASE = {"name": "key", "query": "Where is the key?", "expected_seed_ids": ["tin"], "tags": ["house"]}


def load(tmp_path: Path, given: object) -> Dataset:
    file = tmp_path / "given.json"
    file.write_text(json.dumps(given), "utf-8")
    return load_dataset(file)


def conversations(*messages: dict[str, Any], qa: list[dict[str, Any]], date: str = "1:56 pm on 8 May, 2023") -> object:
    talk = {"speaker_a": "Ida", "session_2": list(messages), "session_2_date_time": date, "session_10": []}
    return {
        "category_names": {"1": "multi-hop", "5": "adversarial"},
        "data": [{"sample_id": "talk", "conversation": talk, "qa": qa}],
    }


def test_brainstems_form_loads_as_it_is(tmp_path: Path) -> None:
    seeds = [seed | {"type": "policy", "scope": "team", "trust_level": "trusted_tool"} for seed in SEEDS]
    loaded = load(tmp_path, {"tenant_id": "t_bench", "agent_id": "a_bench", "seeds": seeds, "cases": [CASE]})
    (group,) = loaded.groups
    assert (group.tenant_id, group.agent_id, loaded.seed_count, loaded.case_count) == ("t_bench", "a_bench", 2, 1)
    assert group.answers(group.cases[0]) == {"tin"}
    assert group.cases[0].tags == ("house",)
    assert group.seeds[0].item() == {"text": SEEDS[0]["text"], "type": "policy", "trust_level": "trusted_tool"}


@pytest.mark.parametrize(
    "given",
    [
        {"items": SEEDS, "queries": [{"query": "Where is the key?", "relevant": ["tin"]}]},
        {"memories": SEEDS, "questions": [{"question": "Where is the key?", "expected_ids": ["tin"]}]},
        {"memories": SEEDS, "cases": [{"query": "Where is the key?", "expected_texts": [SEEDS[0]["text"]]}]},
        {"groups": [{"seeds": SEEDS, "cases": [CASE]}]},
        [{"memories": SEEDS, "query": "Where is the key?", "relevant_ids": ["tin"]}],
    ],
    ids=["items", "memories", "texts", "groups", "list"],
)
def test_variants_of_the_form_mean_the_same(tmp_path: Path, given: object) -> None:
    (group,) = load(tmp_path, given).groups
    assert [seed.id for seed in group.seeds] == ["tin", "tap"]
    assert group.answers(group.cases[0]) == {"tin"}


def test_a_list_of_questions_gives_each_its_own_memories(tmp_path: Path) -> None:
    given = [
        {"memories": ["The key is in the tin.", "The tap drips."], "query": "Key?", "expected": ["The tap drips."]}
    ]
    loaded = load(tmp_path, given * 2)
    assert len({group.tenant_id for group in loaded.groups}) == 2
    assert all(group.answers(group.cases[0]) == {"The tap drips."} for group in loaded.groups)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"seeds": SEEDS, "cases": [CASE | {"expected_seed_ids": ["attic"]}]}, "expected memory 'attic' is not among"),
        ({"seeds": [*SEEDS, SEEDS[0]], "cases": [CASE]}, "an id is given to two memories"),
        ({"seeds": SEEDS, "cases": []}, "no questions"),
        ({"seeds": SEEDS, "cases": [{"name": "key"}]}, "cases.0"),
        ({"seeds": [{"id": "tin"}], "cases": [CASE]}, "seeds.0"),
        ({"groups": 3}, "neither an object nor a list"),
        ({"groups": [3]}, "valid dictionary"),
        ("words", "neither an object nor a list"),
    ],
)
def test_what_is_no_data_set_is_refused_with_the_place(tmp_path: Path, given: object, why: str) -> None:
    with pytest.raises(InvalidError, match=why) as caught:
        load(tmp_path, given)
    assert caught.value.word == "bad_dataset"


def test_a_file_that_is_not_there_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="cannot be read"):
        load_dataset(tmp_path / "none.json")


def test_each_message_of_a_conversation_is_a_memory_with_its_date(tmp_path: Path) -> None:
    messages = [
        {"speaker": "Ida", "dia_id": "D2:1", "text": "Look!", "blip_caption": "a dog on a sofa"},
        {"speaker": "Bo", "dia_id": "D2:2", "text": "Whose dog is it?"},
    ]
    qa = [
        {"question": "What did Ida show?", "evidence": ["D2:01"], "category": 1},
        {"question": "What did Bo eat?", "evidence": ["D2:2"], "category": 5},
        {"question": "Who called?", "evidence": [], "category": 1},
    ]
    (group,) = load(tmp_path, conversations(*messages, qa=qa)).groups
    assert [seed.text for seed in group.seeds] == ["Ida: Look! [a dog on a sofa]", "Bo: Whose dog is it?"]
    assert group.seeds[0].occurred_at == "2023-05-08T13:56:00+00:00"
    assert [seed.source_ref for seed in group.seeds] == ["talk/session_2#D2:1", "talk/session_2#D2:2"]
    assert [(case.query, case.expected, case.tags) for case in group.cases] == [
        ("What did Ida show?", ("D2:1",), ("multi-hop",))
    ]


@pytest.mark.parametrize(
    ("date", "moment"),
    [("March-15-2024", "2024-03-15T00:00:00+00:00"), ("2024-03-15", "2024-03-15T00:00:00"), ("one day", None)],
)
def test_dates_of_sessions_are_read_as_they_are_written(tmp_path: Path, date: str, moment: str | None) -> None:
    message = {"speaker": "Ida", "dia_id": "D2:1", "text": "Hello"}
    qa = [{"question": "Who greets?", "evidence": ["D2:1"], "category": 1}]
    (group,) = load(tmp_path, conversations(message, qa=qa, date=date)).groups
    assert group.seeds[0].occurred_at == moment


@pytest.mark.parametrize(
    ("evidence", "ids"),
    [(["D8:6; D9:17"], ["D8:6", "D9:17"]), (["D:11:26"], ["D11:26"]), (["D30:05", "D"], ["D30:5"])],
)
def test_malformed_evidence_is_repaired(evidence: list[object], ids: list[str]) -> None:
    assert evidence_ids(evidence) == ids


def test_a_message_too_long_for_an_item_comes_in_parts_that_count_as_it(tmp_path: Path) -> None:
    text = "\n\n".join(f"{number} " + "word " * 300 for number in range(6))
    qa = [{"question": "Which number?", "evidence": ["D2:1"], "category": 1}]
    (group,) = load(tmp_path, conversations({"speaker": "Ida", "dia_id": "D2:1", "text": text}, qa=qa)).groups
    assert [seed.id for seed in group.seeds] == ["D2:1", "D2:1.2", "D2:1.3"]
    assert {seed.part_of for seed in group.seeds} == {"D2:1"}
    assert "".join(seed.text for seed in group.seeds) == f"Ida: {text}"
    assert group.has_parts


def test_a_paragraph_too_long_for_an_item_is_cut_too() -> None:
    parts = cut("a" * 9000 + "\n\nend")
    assert [len(part) for part in parts] == [4000, 4000, 1005]


def test_our_own_data_set_loads() -> None:
    loaded = load_dataset(Path(room.__file__).parent / "datasets" / "workshop.json")
    assert (loaded.seed_count, loaded.case_count) == (40, 24)
    assert all(group.answers(case) for group in loaded.groups for case in group.cases)
