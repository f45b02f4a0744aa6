"""What stays of a session when it ends: one journal entry, with next steps, finished todos, decisions and reasons."""

import re

from appliance.agents.sessions.buffer import Line, Part, one_line

_TITLES = {
    "decision": "Decisions",
    "architecture": "Architecture",
    "prohibition": "Never",
    "correction": "Corrections",
    "preference": "Preferences",
    "priority": "Priorities",
    "value": "Names and values",
    "done": "Done",
}
_NEXT = re.compile(r"(?:\*\*|#+ )?next(?: steps?| up)?(?:\*\*)?\s*:?(?:\*\*)?\s*(.*)", re.IGNORECASE)
_NEXT_IN_LINE = re.compile(
    r"\b(?:next,? (?:i(?:'ll| will)|step is)|next:|what (?:is left|remains)(?: is)?:?)\s+(.{8,})", re.IGNORECASE
)
_BULLET = re.compile(r"\s*(?:[-*•]|\d+[.)])\s+(?:\[ \] )?(.+)")
_BOX = re.compile(r"\s*[-*+] \[([ xX])\] (.+)")
_MOST_STEPS = 3
_FEW_WORDS = 3
_CANDIDATES = "## Candidates"


def journal_body(part: Part, finished: list[str]) -> str:
    """The entry of a session that ends; empty when nothing was said in it that is worth one."""
    heads = [f"{name}: {part.head(name)}" for name in ("Task", "Next", "Blocked") if part.head(name)]
    said = part.said()
    blocks = [part.lines[0].removeprefix("## "), "\n".join(heads)]
    for kind, title in _TITLES.items():
        texts = [line.text for line in said if line.kind == kind]
        if kind == "done":
            texts = list(dict.fromkeys([*texts, *finished]))
        if texts:
            blocks.append("\n".join([f"{title}:", "", *(f"- {text}" for text in texts)]))
    return "\n\n".join(block for block in blocks if block) if heads or said or finished else ""


def next_step(answer: str) -> str:
    """What an agent's answer says comes next; empty when it does not say."""
    lines = answer.strip().splitlines()
    for number, line in enumerate(lines):
        found = _NEXT.fullmatch(line.strip())
        if found and (found[1] or number + 1 < len(lines)):
            return one_line(found[1]) if len(found[1]) > 3 else _listed(lines[number + 1 :])
    found = next((match for line in reversed(lines) if (match := _NEXT_IN_LINE.search(line))), None)
    return one_line(found[1]) if found else ""


def _listed(lines: list[str]) -> str:
    """The first items of the list below a heading."""
    items: list[str] = []
    for line in filter(str.strip, lines):
        if not (found := _BULLET.fullmatch(line)):
            break
        items.append(found[1])
    return one_line("; ".join(items[:_MOST_STEPS]))


def asked(answer: str) -> str:
    """The question an answer ends with; empty when it ends with none."""
    last = next((line for line in reversed(answer.strip().splitlines()) if line.strip()), "")
    sentence = re.split(r"(?<=[.!])\s+", last.strip())[-1]
    return one_line(sentence) if sentence.rstrip("*_ ").endswith("?") else ""


def summary(text: str, most: int = 280) -> str:
    """The beginning of a text, on one line, without code."""
    plain = re.sub(r"```.*?(?:```|\Z)", " ", text, flags=re.DOTALL)
    words = one_line(plain)
    return words if len(words) <= most else words[: most - 1].rsplit(" ", 1)[0] + "…"


def first_sentence(text: str) -> str:
    """The first sentence of more than a word or two, on one line."""
    sentences = re.split(r"(?<=[.!?])\s+|\n+", text.strip())
    first = next((each for each in sentences if len(each.split()) >= _FEW_WORDS), sentences[0])
    return summary(first, 200)


def open_boxes(todo: str) -> list[str]:
    """The open todos of a file."""
    return [found[2].strip() for line in todo.splitlines() if (found := _BOX.fullmatch(line)) and found[1] == " "]


def finished_since(todo: str, were_open: list[str]) -> list[str]:
    """Which of those are ticked now."""
    found = [match for line in todo.splitlines() if (match := _BOX.fullmatch(line))]
    ticked = {match[2].strip() for match in found if match[1] != " "}
    return [text for text in were_open if text in ticked]


def ticked(todo: str, done: tuple[str, ...]) -> str:
    """The file with the open boxes ticked whose words are among `done`."""
    wanted = {_folded(each) for each in done}
    lines = todo.split("\n")
    for number, line in enumerate(lines):
        found = _BOX.fullmatch(line)
        if found and found[1] == " " and _folded(found[2]) in wanted:
            lines[number] = line.replace("[ ]", "[x]", 1)
    return "\n".join(lines)


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def with_lessons(text: str, lessons: list[Line]) -> str:
    """`tasks/lessons.md` with candidates appended, each once whatever its day; a person or a refresh judges them."""
    known = {line.partition(": ")[2] for line in text.splitlines() if line.startswith("- [")}
    new = [f"- [ ] {line.day} {line.kind}: {line.text}" for line in lessons if line.text not in known]
    if not new:
        return text
    lines = text.rstrip("\n").split("\n") if text.strip() else ["# Lessons"]
    if _CANDIDATES not in lines:
        lines += ["", _CANDIDATES, ""]
    begin = lines.index(_CANDIDATES) + 1
    end = next((at for at in range(begin, len(lines)) if lines[at].startswith("## ")), len(lines))
    while end > begin + 1 and not lines[end - 1].strip():
        end -= 1
    lines[end:end] = new
    return "\n".join(lines) + "\n"
