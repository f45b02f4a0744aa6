"""What is measured of a candidate before it is ranked: the reranker's features, in a fixed order.

Each is a number of about 0 to 1 that grows with how much speaks for the candidate, 0 when nothing does. None depends on
rows that the caller cannot see (contract memory-api, Visibility).
"""

NAMES: tuple[str, ...] = (
    "lexical",  # BM25 among the candidates, as a share of the best
    "coverage",  # how much of the question's words, by their rarity, it has
    "meaning",  # cosine to the question, from the candidates' least to their greatest
    "neighbour_lexical",  # the greatest `lexical` of the rows beside it in its source
    "neighbour_meaning",
    "speaker",  # it is said by whom the question names
    "brevity",  # it is shorter than most candidates
    "time",  # it happened in the time the question names
    "salience",
    "confidence",
    "trust",
    "recency",
)
