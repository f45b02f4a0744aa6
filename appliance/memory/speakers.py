"""Who says what: many items are a turn of a conversation, "Caroline: …" or "user: …".

A question that names one of the speakers asks for what that one said; one in the first person asks for what the person
said who talks to an assistant.
"""

import re
from collections import Counter
from collections.abc import Sequence

from appliance.text import words

_SPEAKER = re.compile(r"\s*+(\w[\w .'-]{0,39}+):\s")
_FIRST_PERSON = frozenset("i me my mine myself we us our ours".split())
_PERSON = frozenset({"user", "human"})
_TURNS = 2  # what only one candidate begins with is a heading rather than a speaker


def speaker(text: str) -> frozenset[str]:
    """The words of the name that `text` begins with; none when it is no turn of a conversation."""
    found = _SPEAKER.match(text)
    return frozenset(words(found[1])) if found else frozenset()


def asked_for(question: str, speakers: Sequence[frozenset[str]]) -> frozenset[str]:
    """Which words of the candidates' `speakers` the question means."""
    turns = Counter(name for each in speakers for name in each)
    known = frozenset(name for name, count in turns.items() if count >= _TURNS)
    asked = frozenset(words(question))
    return asked & known or (known & _PERSON if asked & _FIRST_PERSON else frozenset())
