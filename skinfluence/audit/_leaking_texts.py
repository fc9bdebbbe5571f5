"""Texts that contain the target: a word for every label, or a number."""

import re

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from skinfluence.audit._findings import HIGH, MEDIUM

# Words usually predict labels to some extent; nearly all labels are suspicious.
WORD_SKILL = 0.98
# Least share of texts that contain the target of their own row, and largest share of
# texts that contain the target of another row.
OWN_NUMBER, OTHER_NUMBER = 0.98, 0.5
# Largest absolute or relative difference between a target and its rounded value.
ROUNDED, NEAR = 0.5, 0.005
MAX_ROWS, MAX_WORDS = 5_000, 300
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")


def leaking_text(column, y, rows, cv, classification, skill):
    """Tell whether the texts of a column contain the target.

    Only for columns whose texts are mostly different; others are judged as categories.
    Labels are predicted by a tree on the presence of the 300 most frequent words;
    targets that are numbers are searched in the texts.

    Parameters
    ----------
    column : Column
        Texts.
    y : ndarray of shape (n,)
        Codes of labels, or numbers.
    rows : ndarray of int
        Rows to look at.
    cv : splitter
        Folds.
    classification : bool
        Whether y holds codes.
    skill : callable
        Called with predictions and labels; returns the share of errors avoided.

    Returns
    -------
    found : tuple of str or None
        Severity and evidence.
    """
    if column.texts is None or column.n_distinct <= len(column.codes) / 2:
        return None
    rows = rows[:: -(-len(rows) // MAX_ROWS)]
    texts = [column.texts[code] if code >= 0 else "" for code in column.codes[rows]]
    if not classification:
        return _number(texts, y[rows])
    words = CountVectorizer(
        binary=True, token_pattern=r"[^\W_]+", max_features=MAX_WORDS
    )
    try:
        present = words.fit_transform(texts)
    except ValueError:  # no word at all
        return None
    tree = DecisionTreeClassifier(max_leaf_nodes=64, min_samples_leaf=2, random_state=0)
    reached = skill(cross_val_predict(tree, present, y[rows], cv=cv), y[rows])
    if reached < WORD_SKILL:
        return None
    return MEDIUM, (
        f"its words predict held-out targets alone: at least {reached:.1%} of the "
        "errors of one label avoided"
    )


def _number(texts, y):
    found = [np.array(NUMBER.findall(text), dtype=float) for text in texts]

    def share(targets):
        return np.mean(
            [
                (np.abs(numbers - target) <= max(ROUNDED, NEAR * abs(target))).any()
                for numbers, target in zip(found, targets, strict=True)
            ]
        )

    own, other = share(y), share(np.random.default_rng(0).permutation(y))
    if own < OWN_NUMBER or other > OTHER_NUMBER:
        return None
    return HIGH, f"{own:.1%} of its texts hold the target as a number"
