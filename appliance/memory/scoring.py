"""Default salience and confidence of an item, and trust as a number (contract memory-api, Scoring defaults)."""

from appliance.memory.models import ItemType, TrustLevel

TRUST = {TrustLevel.TRUSTED_TOOL: 1.0, TrustLevel.USER_CLAIM: 0.70, TrustLevel.UNTRUSTED_WEB: 0.35}
_SALIENCE = {ItemType.EVENT: 0.45, ItemType.FACT: 0.70, ItemType.EPISODE: 0.60, ItemType.POLICY: 0.90}
_CONFIDENCE = {TrustLevel.TRUSTED_TOOL: 0.82, TrustLevel.USER_CLAIM: 0.66, TrustLevel.UNTRUSTED_WEB: 0.38}
IMPORTANCE = frozenset("must required deadline blocked constraint critical policy security cannot".split())
HEDGES = frozenset("maybe might possibly unsure guess".split())


def salience(kind: ItemType, text_words: list[str]) -> float:
    """How much an item matters, 0.05 to 0.99: by its type, and more for each word of importance."""
    return _clamp(_SALIENCE[kind] + 0.03 * sum(word in IMPORTANCE for word in text_words), 0.99)


def confidence(trust: TrustLevel, text_words: list[str]) -> float:
    """How sure an item is, 0.05 to 0.98: by its source, and less for each hedging word."""
    return _clamp(_CONFIDENCE[trust] - 0.05 * sum(word in HEDGES for word in text_words), 0.98)


def _clamp(value: float, most: float) -> float:
    return round(min(max(value, 0.05), most), 4)
