"""The tools' arguments as JSON Schema, by the names, limits and defaults of contract memory-api.

Written out, not derived from the models of the endpoints: those load the whole memory, and a server that an agent
waits for at its start does not. A test holds the two together.
"""

from typing import Any

Json = dict[str, Any]

_TYPES = ["event", "fact", "episode", "policy"]


def _text(about: str, most: int = 0, **more: Any) -> Json:
    limits = {"minLength": 1, "maxLength": most} if most else {}
    return {"type": "string", "description": about, **limits, **more}


def _whole(about: str, least: int, most: int, default: int) -> Json:
    return {"type": "integer", "description": about, "minimum": least, "maximum": most, "default": default}


def _share(about: str, **more: Any) -> Json:
    return {"type": "number", "description": about, "minimum": 0, "maximum": 1, **more}


def _list(about: str, items: Json, **more: Any) -> Json:
    return {"type": "array", "description": about, "items": items, **more}


def _record(about: str, properties: Json, *required: str) -> Json:
    return {"type": "object", "description": about, "properties": properties, "required": list(required)}


_SCOPES = ["private", "team", "global"]
_MOMENT = "ISO 8601; without a zone UTC."
_TYPE = _text("What kind of knowledge it is.", enum=_TYPES)
_EXPIRES = _text(f"When it stops being true. {_MOMENT}", format="date-time")
_SOURCE = {"type": "string", "description": "Where it is from, in your own words.", "maxLength": 512}

TENANT = {"tenant_id": _text("Whose memory; yours by default.", 128)}
SPEAKER = TENANT | {"agent_id": _text("For which agent; yourself by default. Only an admin may name another.", 128)}
STORED_SCOPE = _text(
    "Who may recall it: you, the tenant's team, or (admins) everyone.", enum=_SCOPES, default="private"
)
SEEN_SCOPE = _text("How far to look; private leaves the team's out.", enum=_SCOPES, default="private")
ITEMS = _list(
    "What to remember.",
    _record(
        "One thing.",
        {
            "type": _TYPE,
            "text": _text("The statement.", 4000),
            "source_ref": _SOURCE,
            "trust_level": _text(
                "How far its source is to be trusted.",
                enum=["trusted_tool", "user_claim", "untrusted_web"],
                default="user_claim",
            ),
            "confidence": _share("How sure it is; estimated when left out."),
            "salience": _share("How important it is; estimated when left out."),
            "expires_at": _EXPIRES,
            "occurred_at": _text(f"When it happened; now by default. {_MOMENT}", format="date-time"),
        },
        "type",
        "text",
    ),
    minItems=1,
    maxItems=100,
)
IDEMPOTENCY = {
    "type": "string",
    "description": "Stores the items once, however often they are sent with this key within a day.",
    "maxLength": 128,
}
QUERY = _text("What about, in plain words.", 1024)
BUDGET = _record(
    "How much to answer.",
    {
        "max_items": _whole("At most so many items.", 1, 100, 12),
        "max_tokens": _whole("At most about so many tokens of text.", 64, 32000, 1400),
    },
)
CONTEXT = _record(
    "Have what stands beside each item come along: messages before and after, sections of its file.",
    {
        "neighbours": _whole("So many on each side.", 1, 10, 2),
        "max_tokens": _whole("At most about so many tokens of text, apart from the budget.", 64, 32000, 1400),
    },
)
FILTERS = _record(
    "What counts.",
    {
        "trust_min": _share("Least trust: trusted_tool 1, user_claim 0.7, untrusted_web 0.35.", default=0),
        "types": _list("Only these types.", {"type": "string", "enum": _TYPES}),
    },
)
COMPACTION = {
    "max_source_items": _whole("From at most so many items.", 1, 100, 16),
    "input_max_tokens": _whole("At most about so many tokens of them.", 128, 64000, 4000),
    "target_tokens": _whole("The summary's length in tokens, about.", 64, 8000, 600),
    "output_type": _text("The summary's type.", enum=_TYPES, default="episode"),
    "source_ref": _SOURCE,
    "expires_at": _EXPIRES,
}
REFLECTION = {
    "window_hours": _whole("How many hours to look back.", 1, 168, 24),
    "max_candidates": _whole("At most so many facts.", 1, 32, 8),
}
TRAINING = {
    "model_kind": _text("What to fit.", enum=["reranker", "salience"]),
    "lookback_days": _whole("From the judgements of so many days.", 1, 180, 14),
}
CLEANING = {"grace_hours": _whole("Leave what expired within so many hours.", 0, 720, 0)}
MEMORY_ID = _text("The item's id, mem_….")
JOB_ID = _text("The job's id.")
NOTE = {
    "text": _text("The note, Markdown, up to 64 KiB."),
    "title": {"type": "string", "description": "A heading, one line.", "maxLength": 200},
    "tags": _list("Tags, one word each.", {"type": "string", "maxLength": 64}, maxItems=20),
    "url": {"type": "string", "description": "Where the text is from; it then counts as the web's.", "maxLength": 2048},
    "source": {"type": "string", "description": "What sent it.", "maxLength": 200},
}
_LINE = {"type": "string", "maxLength": 2000}
PROJECT = {
    "project": {
        "type": "string",
        "description": "The project: its name, or the directory you work in.",
        "maxLength": 1024,
    }
}
RECOVERY = {
    "max_tokens": _whole("At most about so many tokens.", 200, 32000, 4000),
    "after": _text(
        "resume: your context was cut, summed up or resumed; start: you begin afresh.",
        enum=["start", "resume"],
        default="resume",
    ),
}
ENTRY = {
    "task": {**_LINE, "description": "What you are doing."},
    "next": {**_LINE, "description": "The next step."},
    "blocked": {**_LINE, "description": 'What stands in the way; "" when nothing does any more.'},
    "decisions": _list("Decisions, each with its reason.", _LINE, maxItems=50),
    "said": {
        "type": "string",
        "description": "The person's message: what of it must be kept is found and written down.",
        "maxLength": 100_000,
    },
    "lessons": _list("What went wrong, and how to prevent it.", _LINE, maxItems=50),
    "done": _list("Finished todos, in the words of tasks/todo.md: they are ticked there.", _LINE, maxItems=50),
    "end": {"type": "boolean", "description": "The session ends: its journal entry is written.", "default": False},
}
