"""The files a new notebook begins with (contract notebook, Files). What explains a section is a comment: not memory."""

from appliance.notebook.documents import BUFFER, CURATED, LESSONS, TODO

_SECTIONS = [
    ("Identity & context", "Who you are, what you do, what an agent should know before it starts."),
    ("Current priorities", "What matters this week, most important first."),
    ("Workstreams", "One line each: active, paused or done, and the next step."),
    ("Standing preferences", "How you like things done: tone, tools, formats."),
    ("Hard constraints", "What must never or always happen. Every line here is kept, word for word."),
    ("Decisions", "Date, decision, rationale."),
    ("Known gaps", "What is not known yet and should not be guessed."),
    ("Where things are", "Repositories, documents, machines, accounts (never their passwords)."),
    ("Recent completions", "What was finished lately."),
]

SECTION_TITLES = frozenset(title.casefold() for title, _ in _SECTIONS)

_TODO = """# To do

<!-- Open work, one checkbox a line: "- [ ] call the dentist". -->
"""

_LESSONS = """# Lessons

<!-- What went wrong, why, and how to prevent it. -->
"""

_BUFFER = """# Working buffer

<!-- What is happening now, a part per agent session: task, blockers, decisions. -->
"""


def offered_files() -> dict[str, str]:
    """Path and text of every file a new notebook is given."""
    parts = [f"## {title}\n\n<!-- {hint} -->\n" for title, hint in _SECTIONS]
    curated = "\n".join(["<!-- membox v1 -->\n# Memory\n", *parts])
    return {CURATED: curated, BUFFER: _BUFFER, TODO: _TODO, LESSONS: _LESSONS}
