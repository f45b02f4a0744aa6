"""`python -m appliance.agents.sessions.learning CORPUS`: learn the weights of `judgement.py` from labelled messages.

Logistic regression with an L2 penalty, by Newton's method, one for being kept and one for each class; of the corpus
only the part `tuning`. The result is the same at every run.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from appliance.agents.sessions.detector import sentences
from appliance.agents.sessions.judgement import WEIGHTS, features
from appliance.agents.sessions.measuring import Message, load_messages
from appliance.agents.sessions.rules import KINDS

_PENALTY = 3.0
_STEPS = 12
_LEAST_SEEN = 2
_LEAST_WEIGHT = 0.02


def learn(messages: list[Message]) -> dict[str, Any]:
    """The weights that `judgement.py` reads."""
    import numpy as np

    examples = [example for message in messages for example in _examples(message)]
    seen = Counter(feature for known, _ in examples for feature in known)
    columns = {feature: at for at, feature in enumerate(sorted(f for f, count in seen.items() if count >= _LEAST_SEEN))}
    inputs = np.zeros((len(examples), len(columns) + 1))
    inputs[:, -1] = 1
    for row, (known, _) in enumerate(examples):
        inputs[row, [columns[feature] for feature in known if feature in columns]] = 1
    wanted = np.array([[bool(classes), *(kind in classes for kind in KINDS)] for _, classes in examples], float)
    penalty = np.diag([_PENALTY] * len(columns) + [1e-6])
    weights = np.zeros((inputs.shape[1], wanted.shape[1]))
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-inputs @ weights))
        for at in range(wanted.shape[1]):
            curvature = inputs.T @ (inputs * (likely[:, at] * (1 - likely[:, at]))[:, None]) + penalty
            slope = inputs.T @ (likely[:, at] - wanted[:, at]) + penalty @ weights[:, at]
            weights[:, at] -= np.linalg.solve(curvature, slope)
    rows = {feature: weights[at] for feature, at in columns.items() if abs(weights[at]).max() >= _LEAST_WEIGHT}
    told = {name: [round(float(weight), 2) for weight in row] for name, row in {"": weights[-1], **rows}.items()}
    return {"kinds": list(KINDS), "weights": told}


def _examples(message: Message) -> list[tuple[set[str], tuple[str, ...]]]:
    """A message that says nothing says it in each sentence; of another nobody knows which of several it is."""
    if message.classes:
        return [(features(message.text), message.classes)]
    return [(features(sentence), ()) for sentence in sentences(message.text)]


def main(words: list[str]) -> int:
    """Learn from the corpus that is named, and write the weights where the box reads them."""
    messages = [message for message in load_messages(Path(words[0])) if message.part == "tuning"]
    learned = learn(messages)
    lines = [f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in learned["weights"].items()]
    body = ",\n".join(lines)
    WEIGHTS.write_text(f'{{"kinds": {json.dumps(learned["kinds"])}, "weights": {{\n{body}\n}}}}\n', "utf-8")
    sys.stdout.write(f"Learned {len(lines)} weights of {len(messages)} messages.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
