"""Near-duplicates by MinHash: items that share a band of their sketch are likely to share most of their words.

Sketch: 5 bands of 3 minima over the distinct meaningful words of a text, so two texts with Jaccard similarity s
share a band with probability 1 - (1 - s^3)^5: .97 at s = .8, .49 at s = .5, under .001 at s = .05
(Broder 1997; Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", ch. 3). What shares a band is then compared
word by word. No threshold tells a rewrite from a neighbour, so a neighbour is named and nothing is merged.
"""

import random
import zlib
from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from appliance.storage.schema import memory_items, similarity_bands
from appliance.text import content_words

SIMILAR = 0.5  # Jaccard similarity from which a neighbour is worth naming
NEIGHBOURS = 3
_BANDS, _ROWS = 5, 3
_SAMPLE = 128  # words looked at: of a longer text those with the smallest hashes, the same in any text
_LOOKED_AT = 20  # candidates of a band: a thousand near-copies need not all be compared
_MASK = (1 << 32) - 1
_fixed = random.Random(20261120)  # noqa: S311 - a fixed family of hash functions, nothing secret
_FACTORS = [_fixed.getrandbits(32) | 1 for _ in range(_BANDS * _ROWS)]
_MIX = [_fixed.getrandbits(62) | 1 for _ in range(_ROWS)]


def sketch(tenant_id: str, text_words: Collection[str]) -> list[int]:
    """The bands (63-bit numbers) of a text of one tenant, given its distinct words; none for a text without words."""
    hashes = [zlib.crc32(word.encode()) for word in text_words]
    if not hashes:
        return []
    if len(hashes) > _SAMPLE:
        hashes = sorted(hashes)[:_SAMPLE]
    minima = [min([value * factor & _MASK for value in hashes]) for factor in _FACTORS]
    salt = zlib.crc32(tenant_id.encode()) << 31
    bands = []
    for band in range(_BANDS):
        mixed = salt + band
        for value, mix in zip(minima[band * _ROWS : (band + 1) * _ROWS], _MIX, strict=True):
            mixed = (mixed ^ value) * mix
        bands.append(mixed >> 7 & (1 << 63) - 1)
    return bands


def neighbours(
    conn: Connection, sketches: list[list[int]], texts: list[list[str]], visible: ColumnElement[bool]
) -> list[list[str]]:
    """For each new text, the memory ids of up to three similar stored items the writer may see, most similar first.

    Args:
        conn: the writing transaction, before the new items are in it.
        sketches: each text's bands.
        texts: each text's distinct meaningful words.
        visible: the condition on `memory_items` that says what the writer may see.
    """
    wanted = {band for bands in sketches for band in bands}
    if not wanted:
        return [[] for _ in texts]
    found = conn.execute(
        select(similarity_bands.c.band, memory_items.c.memory_id, memory_items.c.text)
        .join(memory_items, memory_items.c.id == similarity_bands.c.item_id)
        .where(similarity_bands.c.band.in_(wanted), visible)
        .limit(_LOOKED_AT * len(texts))
    ).all()
    if not found:
        return [[] for _ in texts]
    by_band: dict[int, list[tuple[str, str]]] = {}
    for band, memory_id, text in found:
        if len(entries := by_band.setdefault(band, [])) < _LOOKED_AT:
            entries.append((memory_id, text))
    known: dict[str, set[str]] = {}
    return [
        _closest({entry for band in bands for entry in by_band.get(band, ())}, set(text), known)
        for bands, text in zip(sketches, texts, strict=True)
    ]


def _closest(candidates: set[tuple[str, str]], text: set[str], known: dict[str, set[str]]) -> list[str]:
    scored = []
    for memory_id, other in candidates:
        theirs = known.get(memory_id)
        if theirs is None:
            theirs = known[memory_id] = set(content_words(other))
        similarity = len(text & theirs) / len(text | theirs) if text else 0.0
        if similarity >= SIMILAR:
            scored.append((-similarity, memory_id))
    return [memory_id for _, memory_id in sorted(scored)[:NEIGHBOURS]]


def store(conn: Connection, items: list[tuple[int, list[int]]]) -> None:
    """Add the bands of new items: (row id, bands) each."""
    rows = [{"band": band, "item_id": item_id} for item_id, bands in items for band in set(bands)]
    if rows:
        conn.execute(insert(similarity_bands), rows)


def remove(conn: Connection, tenant_id: str, item_id: int, text: str) -> None:
    """Take out the bands of an item that is being forgotten or replaced."""
    bands = sketch(tenant_id, content_words(text))
    conn.execute(
        delete(similarity_bands).where(similarity_bands.c.band.in_(bands), similarity_bands.c.item_id == item_id)
    )
