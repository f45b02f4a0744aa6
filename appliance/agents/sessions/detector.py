"""What a person says to an agent that must outlive the conversation: found by rules, in well under a millisecond."""

import re
from dataclasses import dataclass

from appliance.agents.sessions.judgement import judge
from appliance.agents.sessions.rules import kinds_of, says_something
from appliance.quoting import without_recalled

MOST_FOUND = 20
# Log odds: above the one the model lets a rule's finding pass, above the other it needs no rule.
_VETO, _ENOUGH = -1.0, 1.0
_MOST_READ = 8_000  # characters; what is longer was pasted
_LONGEST = 600  # characters of a sentence

_FENCED = re.compile(r"^ {0,3}(```|~~~).*?(?:^ {0,3}\1|\Z)", re.DOTALL | re.MULTILINE)
_TAGGED = re.compile(r"<([a-z]+-[a-z-]+)>.*?</\1>", re.DOTALL)  # what a program put into the message
_PASTED = re.compile(r"^\s*(?:>|\$ |at \S+\(|File \"|Traceback|\[?\d{4}-\d\d-\d\d[T ]\d\d:|[-+]{3} |@@ )")
_BULLET = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+")
_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+(?=\S)|;\s+")
_QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”\n]*”|«[^»\n]*»|`[^`\n]*`")
_ABBREVIATED = re.compile(r"\b(?:e\.g|i\.e|etc|cf|vs|no|nr|approx|dr|mr|mrs|ms)\.$", re.IGNORECASE)
_ALONE = re.compile(r"(?:sorry,? )?(?:hmm?,? )?(?:no|nope|nah|wrong|stop|wait|correction)[.!,]*", re.IGNORECASE)
_WHY = re.compile(
    r"^(?:because|since|as|so that|the reason|otherwise|that way|this way|it is|they|he|she)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Found:
    """Something worth keeping: its class (`rules.KINDS`) and the sentence, with the reason that follows it."""

    kind: str
    text: str


def detect(message: str) -> list[Found]:
    """What of a person's message is to be kept, in its order; a sentence of several classes counts for the first.

    What was pasted (code, logs, quotations, recalled items) says nothing of what the person wants, nor does a question.
    """
    return [Found(kinds[0], text) for text, kinds in _classified(message)][:MOST_FOUND]


def classes_of(message: str) -> frozenset[str]:
    """Every class that any sentence of the message has; for measuring."""
    return frozenset(kind for _, kinds in _classified(message) for kind in kinds)


def _classified(message: str) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    previous: list[str] = []
    for sentence in sentences(message):
        kinds = _kinds(sentence)
        if not kinds and previous and _WHY.search(sentence) and not sentence.endswith("?"):
            text, its = found[-1]
            found[-1] = (f"{text} {sentence}"[:_LONGEST], its)
        elif kinds:
            found.append((sentence[:_LONGEST], kinds))
        previous = kinds
    return found


def _kinds(sentence: str) -> list[str]:
    said = _QUOTED.sub(_blank, sentence[:_LONGEST]).strip()
    if said.rstrip("\"')] ").endswith("?") or said.startswith("/"):
        return []
    if not says_something(said):
        return []
    kinds, judged = kinds_of(said), judge(said)
    if kinds and judged.score > _VETO:
        return kinds
    return [judged.kind] if judged.score > _ENOUGH else []


def _blank(quoted: re.Match[str]) -> str:
    """A quotation without its words; a single one may be a name or a value, and stays."""
    return quoted.group() if " " not in quoted.group() else '"…"'


def sentences(message: str) -> list[str]:
    """What a person says in a message, sentence by sentence, without what was pasted."""
    text = without_recalled(message[:_MOST_READ])
    text = _TAGGED.sub("\n", _FENCED.sub("\n", text)).replace("’", "'")
    found: list[str] = []
    for line in text.splitlines():
        if _PASTED.match(line):
            continue
        found += _of_line(_BULLET.sub("", line))
    return found


def _of_line(line: str) -> list[str]:
    found: list[str] = []
    for piece in _END.split(line.strip()):
        joined = found and (_ABBREVIATED.search(found[-1]) or _ALONE.fullmatch(found[-1]))
        if joined:
            found[-1] += f" {piece.strip()}"
        elif piece.strip():
            found.append(piece.strip())
    return found
