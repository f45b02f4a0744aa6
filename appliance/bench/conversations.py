"""Conversations with questions and evidence (the form of LoCoMo, which others use too), as memories and cases.

`{"category_names": {"1": …}, "data": [{"sample_id", "conversation": {"session_N": [{"speaker", "dia_id", "text",
"blip_caption"?}], "session_N_date_time"}, "qa": [{"question", "evidence": ["D1:3", …], "category"}]}]}`. Each message
is one memory, each conversation one tenant; a message too long for an item comes in parts that count as it.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import batched, chain, count
from typing import Any, TypeGuard

_LONGEST = 4000  # characters of an item (contract memory-api)
_SESSION = re.compile(r"session_\d+")
_PARAGRAPH = re.compile(r"(?<=\n\n)")
_EVIDENCE = re.compile(r"D:?(\d+):(\d+)")
# What no memory holds the answer to, by the data's own account.
_UNANSWERABLE = frozenset({"adversarial", "abstention"})
_DATES = ("%I:%M %p on %d %B, %Y", "%B-%d-%Y", "%d %B, %Y", "%d %B %Y", "%Y/%m/%d (%a) %H:%M")


def is_conversations(given: object) -> TypeGuard[dict[str, Any]]:
    """Whether a JSON value has this form."""
    if not isinstance(given, dict) or not isinstance(data := given.get("data"), list):
        return False
    return all(isinstance(each, dict) and isinstance(each.get("conversation"), dict) for each in data)


def seeds_and_cases(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Every conversation as a group of a data set (`dataset.Group`), before it is checked."""
    names = given.get("category_names") or {}
    return [_group(sample, names, number) for number, sample in enumerate(given["data"], 1)]


def evidence_ids(evidence: list[object]) -> list[str]:
    """The ids of messages in `evidence`, malformed ones repaired.

    "D8:6; D9:17" names two, "D:11:26" is D11:26 and "D30:05" is D30:5; what names none is left out.
    """
    return list(dict.fromkeys(f"D{int(a)}:{int(b)}" for each in evidence for a, b in _EVIDENCE.findall(str(each))))


def _group(sample: dict[str, Any], names: dict[str, str], number: int) -> dict[str, Any]:
    tenant = str(sample.get("sample_id") or f"conversation-{number}")[:128]
    conversation = sample["conversation"]
    sessions = sorted(filter(_SESSION.fullmatch, conversation), key=lambda name: int(name.partition("_")[2]))
    seeds = [
        part
        for session in sessions
        for message in conversation[session]
        for part in _parts(message, f"{tenant}/{session}", conversation.get(f"{session}_date_time"))
    ]
    known = {seed["id"] for seed in seeds}
    cases = [_case(question, names, known) for question in sample.get("qa", [])]
    return {"tenant_id": tenant, "seeds": seeds, "cases": [case for case in cases if case]}


def _parts(message: dict[str, Any], section: str, date: str | None) -> list[dict[str, Any]]:
    caption = message.get("blip_caption")
    text = f"{message['speaker']}: {message['text']}" + (f" [{caption}]" if caption else "")
    first = message["dia_id"]
    return [
        {
            "id": part_id,
            "part_of": first,
            "text": part,
            "type": "event",
            "source_ref": f"{section}#{part_id}",
            "occurred_at": _moment(date),
        }
        for part_id, part in zip(_part_ids(first), cut(text), strict=False)
    ]


def _part_ids(first: str) -> Iterator[str]:
    """D3:4, D3:4.2, D3:4.3 …"""
    return chain([first], (f"{first}.{number}" for number in count(2)))


def cut(text: str) -> list[str]:
    """`text` in parts that fit an item, each as many paragraphs as fit."""
    parts = [""]
    for paragraph in _PARAGRAPH.split(text):
        for piece in map("".join, batched(paragraph, _LONGEST, strict=False)):
            if len(parts[-1]) + len(piece) > _LONGEST:
                parts.append("")
            parts[-1] += piece
    return [part for part in parts if part.strip()]


def _case(question: dict[str, Any], names: dict[str, str], known: set[str]) -> dict[str, Any] | None:
    """None for a question without evidence among the messages."""
    category = str(question.get("category", ""))
    tag = names.get(category, category)
    expected = [each for each in evidence_ids(question.get("evidence") or []) if each in known]
    if not expected or tag in _UNANSWERABLE:
        return None
    return {"query": question["question"], "expected": expected, "tags": [tag] if tag else []}


def _moment(date: str | None) -> str | None:
    """A session's date as ISO 8601; None where it is written in no way known here."""
    for form in _DATES:
        try:
            return datetime.strptime(date or "", form).replace(tzinfo=UTC).isoformat()
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(date or "").isoformat()
    except ValueError:
        return None
