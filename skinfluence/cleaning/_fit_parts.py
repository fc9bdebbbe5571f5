"""The parts of a cleaner's fit that arrays and collections of dask share."""

from sklearn.base import is_classifier

from skinfluence.cleaning._actions import weight_parameter
from skinfluence.cleaning._blockwise import check_for_collections, clean_blocks
from skinfluence.cleaning._flagged import check_flagging
from skinfluence.cleaning._run import CleaningSettings


class FitParts:
    """Mixin of `InfluenceCleaner`."""

    def _settings(self, random_state):
        return CleaningSettings(
            influence=self.influence,
            drop_fraction=self.drop_fraction,
            action=self.action,
            per_class=self.per_class,
            cv=self.cv,
            subsample=self.subsample,
            memory=self.memory,
            n_jobs=self.n_jobs,
            random_state=random_state,
        )

    def _set_judged(self, judged, decided=None, checked=None):
        self.sample_values_ = judged.rows.values
        self._reviewable, self._decided = judged.reviewable, (decided, checked)
        flagged = ~judged.kept
        self.sample_mask_ = judged.kept
        if decided is not None:
            self.sample_mask_ = judged.kept & ~decided.wrong
        self.drop_fraction_ = float(flagged.mean())
        self.wrong_share_ = judged.wrong.share, judged.wrong.share_ceiling
        self.false_discovery_rate_ = judged.false_discovery_rate

    def _fit_collections(self, X, y, verdicts, fit_params):
        settings = self._settings(None)
        check_for_collections(settings, {"verdicts": verdicts, **fit_params})
        if self.action == "weight":
            weight_parameter(self.estimator)
        check_flagging(
            self.drop_fraction, self.per_class, None, y, is_classifier(self.estimator)
        )
        targets, judged, self.suspects_, self.estimator_ = clean_blocks(
            self, X, y, settings
        )
        self._set_judged(judged)
        self._fit_X, self._fit_y = None, targets  # X is not kept in memory
        return self
