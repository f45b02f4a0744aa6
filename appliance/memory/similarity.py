"""Near-duplicates by MinHash: items that share a band of their sketch are likely to share most of their words.

Sketch: 10 minima over the distinct meaningful words of a text make 5 bands of 4, each minimum in another two of them.
Two texts with Jaccard similarity s share a band with a probability near 1 - (1 - s^4)^5, that of bands without common
minima: .99 at s = .9, .75 at s = .7, .28 at s = .5, under .001 at s = .1 (Broder 1997; Leskovec, Rajaraman, Ullman,
"Mining of Massive Datasets", ch. 3). With 3 minima a band, messages of a few common words met five times as many
strangers. What shares a band is then compared word by word. No threshold tells a rewrite from a neighbour, so a
neighbour is named and nothing is merged.
"""

import random
import zlib
from collections.abc import Collection, Sequence
from functools import cache
from itertools import batched, combinations
from struct import Struct
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select

from appliance.memory.models import Scope
from appliance.memory.visibility import visible_to
from appliance.storage.direct import Direct
from appliance.storage.schema import memory_items, similarity_bands
from appliance.text import content_words

SIMILAR = 0.5  # Jaccard similarity from which a neighbour is worth naming
NEIGHBOURS = 3
_BANDS = 5
_BANDS_OF_MINIMUM = list(combinations(range(_BANDS), 2))
_SAMPLE = 128  # words looked at: of a longer text those with the smallest hashes, the same in any text
_LOOKED_AT = 20  # candidates of a band: a thousand near-copies need not all be compared
_AT_ONCE = 100  # bands asked for in one statement
_WIDE = (1 << 64) - 1
_insert = Direct(insert(similarity_bands))
_delete = Direct(
    delete(similarity_bands).where(
        similarity_bands.c.band == bindparam("band"), similarity_bands.c.item_id == bindparam("item_id")
    )
)
_fixed = random.Random(20261120)  # noqa: S311 - a fixed family of hash functions, nothing secret
_FACTORS = [_fixed.getrandbits(32) | 1 for _ in _BANDS_OF_MINIMUM]
_MIX = _fixed.getrandbits(64) | 1


def sketch(tenant_id: str, text_words: Collection[str]) -> list[int]:
    """The bands (63-bit numbers) of a text of one tenant, given its distinct words; none for a text without words."""
    hashes = [zlib.crc32(word.encode()) for word in text_words]
    if not hashes:
        return []
    if len(hashes) > _SAMPLE:
        hashes = sorted(hashes)[:_SAMPLE]
    into, out = _lanes(len(hashes))
    side_by_side = int.from_bytes(into.pack(*hashes), "little")  # no product leaves its lane of 64 bits
    minima = [min(out.unpack((side_by_side * factor).to_bytes(into.size, "little"))) for factor in _FACTORS]
    salt = zlib.crc32(tenant_id.encode()) << 32
    mixed = [salt + band for band in range(_BANDS)]
    for value, (one, other) in zip(minima, _BANDS_OF_MINIMUM, strict=True):
        mixed[one] = (mixed[one] ^ value) * _MIX & _WIDE
        mixed[other] = (mixed[other] ^ value) * _MIX & _WIDE
    return [band >> 1 for band in mixed]


@cache
def _lanes(count: int) -> tuple[Struct, Struct]:
    """How so many hashes lie in one long number, and how the lower halves of their products are read from it."""
    return Struct(f"<{count}Q"), Struct("<" + "I4x" * count)


def neighbours(
    conn: Connection, sketches: list[list[int]], texts: list[list[str]], tenant_id: str, agent_id: str, now: int
) -> list[list[str]]:
    """For each new text, the memory ids of up to three similar stored items, most similar first.

    Args:
        conn: the writing transaction, before the new items are in it.
        sketches: each text's bands.
        texts: each text's distinct meaningful words.
        tenant_id, agent_id, now: only what this writer may see at this moment (epoch ms) is named.
    """
    wanted = sorted({band for bands in sketches for band in bands})
    seen_by = {"tenant_id": tenant_id, "agent_id": agent_id, "now": now}
    found: list[tuple[int, str, str]] = []
    for chunk in batched(wanted, _AT_ONCE, strict=False):
        size = _BANDS if len(chunk) <= _BANDS else _AT_ONCE
        asked = {f"band{n}": chunk[min(n, len(chunk) - 1)] for n in range(size)}
        found += _sharing(size).rows(conn, asked | seen_by | {"most": _LOOKED_AT * len(chunk)})
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


@cache
def _sharing(size: int) -> Direct:
    """Finds (band, memory id, text) of items that have one of `size` bands."""
    visible = visible_to(bindparam("tenant_id"), bindparam("agent_id"), Scope.TEAM, bindparam("now"))
    return Direct(
        select(similarity_bands.c.band, memory_items.c.memory_id, memory_items.c.text)
        .join(memory_items, memory_items.c.id == similarity_bands.c.item_id)
        .where(similarity_bands.c.band.in_([bindparam(f"band{n}") for n in range(size)]), visible)
        .limit(bindparam("most"))
    )


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
        _insert.many(conn, rows)


def remove(conn: Connection, rows: Sequence[Row[Any]]) -> None:
    """Take out the bands of items that are being forgotten or replaced: rows with `id`, `tenant_id` and `text`."""
    bands = [(band, row.id) for row in rows for band in set(sketch(row.tenant_id, content_words(row.text)))]
    if bands:
        _delete.many(conn, [{"band": band, "item_id": item_id} for band, item_id in bands])
