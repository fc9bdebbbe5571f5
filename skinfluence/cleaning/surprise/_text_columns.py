"""Columns of text as numbers: character n-grams, weighed and projected."""

import re
from itertools import chain

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.utils import gen_batches

from skinfluence._sklearn import n_rows, take_columns
from skinfluence.cleaning.surprise._missing import is_missing

N_COMPONENTS, MAX_COMPONENTS, MIN_COMPONENTS = 100, 200, 10
NGRAMS, MAX_NGRAMS = (2, 4), 20_000
MAX_FITTED, BATCH = 10_000, 10_000
MAX_LENGTH, MAX_CHARACTERS = 1_000, 40_000_000
# As much as of four standardised numbers.
VARIANCE = 4.0
# A word is informative if other rows have it, but not nearly all of them.
COMMON, MAX_LOOKED_AT = 0.9, 2_000
# Letters between digits and signs; scripts without spaces have words of one letter.
WORD = re.compile(r"[\u0e00-\u0eff\u3040-\u9fff]|(?<![^\W_])[^\W\d_]{3,}(?![^\W_])")


class TextComponents(TransformerMixin, BaseEstimator):
    r"""Turn every column of text to the principal components of its n-grams.

    Runs of two to four characters within words are counted, each count c is replaced by
    1 + log c and weighed by the logarithm of how rare the n-gram is, and every text is
    scaled to length one (tf-idf). Spellings of a word share most of its n-grams, so
    typing errors and abbreviations move a text a little only. The first components of a
    truncated singular value decomposition are kept, centred, and scaled so that the
    variances of all components of a column add up to four: a text is as much as four
    standardised numbers. A missing text has no n-gram. The target is not used.

    **Cost.** Words are counted first, and n-grams once per distinct word. Weights and
    components are learnt from at most 10,000 rows, drawn with a fixed seed. Of a text
    at most 1,000 characters are read, and fewer where all texts have more than 40
    million together. Six seconds for 200,000 comments of 118 characters.

    Parameters
    ----------
    n_components : int, default=100
        Of one column. Of several each has at most an equal part of 200, but ten.
    n_texts : int, default=None
        Columns of text in the table, which share 200 components and the 40 million
        characters. None: those that are given.
    """

    def __init__(self, n_components=N_COMPONENTS, n_texts=None):
        self.n_components, self.n_texts = n_components, n_texts

    def fit(self, X, y=None):
        """Learn n-grams, their weights and components."""
        n_texts = self.n_texts or X.shape[1]
        share = max(MAX_COMPONENTS // n_texts, MIN_COMPONENTS)
        length = min(MAX_LENGTH, MAX_CHARACTERS // (n_texts * max(n_rows(X), 1)))
        self.columns_ = [
            _Ngrams(max(length, 1), min(self.n_components, share)).fit(
                take_columns(X, j)
            )
            for j in range(X.shape[1])
        ]
        return self

    def transform(self, X):
        """Return the components of all columns, shape (n_samples, d)."""
        return np.hstack(
            [ngrams.of(take_columns(X, j)) for j, ngrams in enumerate(self.columns_)]
        )

    def get_feature_names_out(self, input_features=None):
        """Return a name for every component."""
        return np.array(
            [
                f"text{j}_{k}"
                for j, ngrams in enumerate(self.columns_)
                for k in range(ngrams.n_components)
            ],
            dtype=object,
        )


class _Ngrams:
    """The components of one column."""

    def __init__(self, length, most):
        self.length, self.most = length, most

    def fit(self, column):
        texts = _texts(column, self.length)
        if len(texts) > MAX_FITTED:
            drawn = np.random.default_rng(0).permutation(len(texts))[:MAX_FITTED]
            texts = [texts[i] for i in drawn]
        self.n_components = 0
        if not any(text.strip() for text in texts):
            return self
        every = CountVectorizer(analyzer="char_wb", ngram_range=NGRAMS)
        words, counts = _words(texts)
        counts = counts @ every.fit_transform(words)
        n_texts = counts.getnnz(axis=0)
        # Those of one text only say nothing of others; of equally frequent ones the
        # first by name are taken.
        kept = np.flatnonzero(n_texts > 1)
        kept = np.sort(kept[np.argsort(-n_texts[kept], kind="stable")[:MAX_NGRAMS]])
        if len(kept) < 2:
            return self
        self.ngrams = CountVectorizer(
            analyzer="char_wb",
            ngram_range=NGRAMS,
            vocabulary=every.get_feature_names_out()[kept],
        )
        self.weights = TfidfTransformer(sublinear_tf=True)
        weighed = self.weights.fit_transform(counts[:, kept])
        self.n_components = min(self.most, *(size - 1 for size in weighed.shape))
        self.svd = TruncatedSVD(self.n_components, random_state=0)
        found = self.svd.fit_transform(weighed)
        self.mean = found.mean(axis=0)
        total = found.var(axis=0).sum()
        self.scale = np.sqrt(VARIANCE / total) if total > 0 else 1.0
        return self

    def of(self, column):
        texts = _texts(column, self.length)
        found = np.zeros((len(texts), self.n_components))
        if self.n_components:
            for batch in gen_batches(len(texts), BATCH):
                words, counts = _words(texts[batch])
                weighed = self.weights.transform(counts @ self.ngrams.transform(words))
                found[batch] = (self.svd.transform(weighed) - self.mean) * self.scale
        return found


def has_words(texts):
    """Tell whether most texts have words that occur in other texts.

    Identifiers have none: their letters are part of codes, or the same in all of them.

    Parameters
    ----------
    texts : sequence of str
        Without missing ones.

    Examples
    --------
    >>> from skinfluence.cleaning.surprise._text_columns import has_words
    >>> has_words(["oak table", "small lamp", "lamp of oak", "table lamp"])
    True
    >>> has_words(["order 17", "order 18", "order 19", "order 20"])
    False
    """
    if len(texts) > MAX_LOOKED_AT:
        drawn = np.random.default_rng(0).permutation(len(texts))[:MAX_LOOKED_AT]
        texts = [texts[i] for i in drawn]
    of_texts = [set(WORD.findall(text[:MAX_LENGTH].lower())) for text in texts]
    words, counts = np.unique(list(chain(*of_texts)), return_counts=True)
    shared = words[(counts > 1) & (counts <= COMMON * len(texts))]
    return 2 * sum(not words.isdisjoint(shared) for words in of_texts) > len(texts)


def _texts(column, length):
    values = np.asarray(column)
    return [
        "" if missing else str(value)[:length].lower()
        for value, missing in zip(values, is_missing(values), strict=True)
    ]


def _words(texts):
    """Return all words, and how often each text has each of them."""
    # A text without words has the word of no letters, which has no n-gram.
    counter = CountVectorizer(analyzer=lambda text: text.split() or [""])
    counts = counter.fit_transform(texts)
    return counter.get_feature_names_out(), counts
