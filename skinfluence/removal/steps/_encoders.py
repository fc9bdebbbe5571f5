"""Encoders of categories: which categories remain, merge or are dropped."""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from skinfluence.removal.steps._changes import Changes, step_changes

# What a category is encoded as, where it is no column of its own.
NOTHING, ERROR = -1, -2


@dataclass(frozen=True)
class _Feature:
    """How one column of categories is encoded, from the counts of its categories.

    Attributes
    ----------
    learns : bool
        Whether the categories are those that the rows have.
    min_frequency, max_categories, drop, handle_unknown
        Parameters of the encoder; ``drop`` is that of this feature.
    """

    learns: bool
    min_frequency: object
    max_categories: object
    drop: object
    handle_unknown: str

    def codes(self, counts, n_rows):
        """The code of each category, and at last of an unknown one.

        The merged infrequent ones have the code ``len(counts)``.
        """
        merged = len(counts)
        known = counts > 0 if self.learns else np.ones(merged, dtype=bool)
        codes = np.arange(merged)
        codes[self._infrequent(counts, known, n_rows)] = merged
        groups = np.unique(codes[known])
        dropped = self._dropped(codes, groups)
        named = self.drop is not None and not isinstance(self.drop, str)
        if named and (dropped == merged or not known[self.drop]):
            return np.full(merged + 1, ERROR)  # fit refuses to drop it
        codes[codes == dropped] = NOTHING
        unknown = NOTHING
        if self.handle_unknown == "error":
            unknown = ERROR
        elif self.handle_unknown != "ignore" and merged in groups:
            unknown = NOTHING if dropped == merged else merged
        return np.append(np.where(known, codes, unknown), unknown)

    def _infrequent(self, counts, known, n_rows):
        """Positions of the categories that are merged."""
        positions, counts = np.flatnonzero(known), counts[known]
        few = np.zeros(len(counts), dtype=bool)
        if self.min_frequency is not None:
            share = not isinstance(self.min_frequency, int | np.integer)
            few = counts < self.min_frequency * (n_rows if share else 1)
        n_columns = len(counts) - few.sum() + 1
        if self.max_categories is not None and self.max_categories < n_columns:
            own = self.max_categories - 1
            order = np.argsort(counts, kind="stable")
            few[order[: len(order) - own]] = True
        return positions[few]

    def _dropped(self, codes, groups):
        if isinstance(self.drop, str):
            if self.drop == "first" or len(groups) == 2:
                return groups[0] if len(groups) else None
            return None
        return None if self.drop is None else codes[self.drop]


def encoded_otherwise(feature, counts, full, n_rows):
    """Tell how a removal changes a feature: (otherwise, leaves a column empty).

    ``counts`` are those without the rows, ``full`` the codes with all.
    """
    codes = feature.codes(counts, n_rows)
    if (codes == full).all():
        return False, False
    remaining = np.unique(full[:-1][counts > 0])
    # A category without rows may lose its column: it is zero in all that remain.
    empty = (full >= 0) & (codes == NOTHING) & ~np.isin(full, remaining)
    return not np.all((codes == full) | empty), True


def category_codes(step, X):
    """Positions of the categories of each feature, -1 for none of them."""
    plain = OneHotEncoder(
        categories=step.categories_,
        handle_unknown="ignore",
        dtype=np.int8,
    ).set_output(transform="default")
    rows = plain.fit_transform(X).tocsc()
    start = 0
    for categories in step.categories_:
        block = rows[:, start : start + len(categories)]
        codes = np.full(rows.shape[0], -1)
        codes[block.indices] = np.repeat(
            np.arange(len(categories)), np.diff(block.indptr)
        )
        yield codes
        start += len(categories)


def _changes(step, X, before, removed, features, strict):
    """Changes of an encoder, from its features.

    ``strict`` encoders have no column to leave out: what is no longer known is
    encoded otherwise.
    """
    refit, empties = before.otherwise, np.zeros(removed.n_removals, dtype=bool)
    n_columns = 0
    for feature, codes, known in zip(
        features, category_codes(step, X), step.categories_, strict=True
    ):
        counts = np.bincount(codes[codes >= 0], minlength=len(known))
        full = feature.codes(counts, removed.n_samples)
        n_columns += len(np.unique(full[:-1][full[:-1] >= 0]))
        for which, without in removed.counts(codes, len(known)):
            n_rows = removed.left[which[0]]
            other, empty = encoded_otherwise(feature, without, full, n_rows)
            refit[which] |= other or (empty and strict)
            empties[which] |= empty and not strict
    return Changes.none(n_columns, removed.n_removals, refit=refit, empties=empties)


def encoder_features(step):
    """Return how a fitted OneHotEncoder encodes each of its columns, as `_Feature`."""
    n_features, drops = len(step.categories_), step.drop
    if isinstance(drops, str) or drops is None:
        drops = [drops] * n_features
    else:
        drops = step.drop_idx_
    learns = isinstance(step.categories, str)
    return [
        _Feature(
            learns, step.min_frequency, step.max_categories, drop, step.handle_unknown
        )
        for drop in drops
    ]


def _unknown(step, removed):
    return Changes.unknown(len(step.get_feature_names_out()), removed.n_removals)


@step_changes.register
def _(step: OneHotEncoder, X, before, removed):
    features = encoder_features(step)
    after = _changes(step, X, before, removed, features, strict=False)
    if after.n_columns != len(step.get_feature_names_out()):
        return _unknown(step, removed)  # its rules are others than those stated here
    return after


@step_changes.register
def _(step: OrdinalEncoder, X, before, removed):
    if step.min_frequency is not None or step.max_categories is not None:
        return _unknown(step, removed)
    learns = isinstance(step.categories, str)
    unknown = "error" if step.handle_unknown == "error" else "ignore"
    features = [_Feature(learns, None, None, None, unknown)] * len(step.categories_)
    after = _changes(step, X, before, removed, features, strict=True)
    return replace(after, n_columns=len(features))
