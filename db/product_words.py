"""The words of all titles, and which of them somebody meant who wrote one that is in none."""

import re
from collections.abc import Iterable

from sqlalchemy import DDL, Index, Text, event
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import Base
from schemas.searches import Wanted

SHORTEST, LONGEST = 3, 40  # letters of a word that is known


class ProductWord(Base):
    """A word in lower case without accents, and in how many titles it is."""

    __tablename__ = "product_words"
    __table_args__ = (
        Index("idx_product_words_slips", "slips", postgresql_using="gin"),
        Index(
            "idx_product_words_trigrams",
            "word",
            postgresql_using="gin",
            postgresql_ops={"word": "gin_trgm_ops"},
        ),
    )

    word: Mapped[str] = mapped_column(Text, primary_key=True)
    titles: Mapped[int]
    slips: Mapped[list[str]] = mapped_column(ARRAY(Text))


_TRIGRAMS = DDL("CREATE EXTENSION IF NOT EXISTS pg_trgm")  # type: ignore[no-untyped-call]
event.listen(ProductWord.__table__, "before_create", _TRIGRAMS)


def refresh(tx: Tx) -> None:
    """Bring the words to what the titles are now; reads all titles, writes what is different."""
    tx.execute("SET LOCAL jit = off")
    tx.execute(
        "CREATE TEMPORARY TABLE counted ON COMMIT DROP AS"
        " SELECT word, ndoc FROM ts_stat($$SELECT to_tsvector('hopfleet_surface', left(title, 500))"
        " FROM products$$) WHERE length(word) BETWEEN %s AND %s AND word ~ '^[[:alpha:]]+$'",
        (SHORTEST, LONGEST),
    )
    tx.execute(
        "INSERT INTO product_words AS w (word, titles, slips)"
        " SELECT word, ndoc, hopfleet_slips(word) FROM counted"
        " ON CONFLICT (word) DO UPDATE SET titles = EXCLUDED.titles"
        " WHERE w.titles <> EXCLUDED.titles"
    )
    tx.execute(
        "DELETE FROM product_words w WHERE NOT EXISTS (SELECT FROM counted c WHERE c.word = w.word)"
    )
    tx.execute("DROP TABLE counted")


# A slip costs less than two other differences; of equally near words the more usual one is meant.
_NEAREST = """
    SELECT typed.raw, near.word
    FROM unnest(%(words)s::text[]) AS typed (raw),
        LATERAL (SELECT lower(unaccent(typed.raw)) AS word) AS plain,
        LATERAL (
            SELECT w.word, levenshtein(w.word, plain.word)
                - (w.slips && hopfleet_slips(plain.word))::int AS cost, w.titles
            FROM product_words w
            WHERE w.slips && hopfleet_slips(plain.word) OR w.word %% plain.word
            ORDER BY cost, w.titles DESC, w.word LIMIT 1
        ) AS near
    WHERE near.cost <= length(plain.word) / 4
        AND NOT EXISTS (SELECT FROM product_words k WHERE k.word = plain.word)
"""


def nearest(tx: Tx, words: Iterable[str]) -> dict[str, str]:
    """For words that are in no title: the one that is nearest, if one is near."""
    asked = sorted({word for word in words if SHORTEST <= len(word) <= LONGEST})
    return dict(tx.execute(_NEAREST, {"words": asked}).fetchall()) if asked else {}


_LETTERS = re.compile(r"[^\W\d_]+")


def corrected(tx: Tx, text: Wanted) -> Wanted | None:
    """The same question with the words that were probably meant; None when nothing is nearer.

    What is excluded stays as it was: a slip there hides nothing.
    """
    parts = [*text.words, *text.phrases, *([text.beginning] if text.beginning else [])]
    known = nearest(tx, (word for part in parts for word in _LETTERS.findall(part)))
    if not known:
        return None

    def mended(part: str) -> str:
        return _LETTERS.sub(lambda found: known.get(found[0], found[0]), part)

    words = [mended(word) for word in text.words]
    if text.beginning:
        words.append(mended(text.beginning))
    return Wanted(tuple(words), tuple(mended(phrase) for phrase in text.phrases), text.excluded)
