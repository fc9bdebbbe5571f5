"""Fitted estimators in notebooks: below scikit-learn's diagram, what was computed."""

import sklearn
from sklearn.utils import estimator_html_repr

from skinfluence._display._html import Sentence, table


class FitSummary:
    """Mixin of estimators that say in a notebook what their ``fit`` has computed.

    The diagram of scikit-learn comes first. As everywhere in scikit-learn,
    ``set_config(display="text")`` shows the text in the place of both.
    """

    def _computed(self):
        """Return pairs of a title and a text or value; none before ``fit``."""
        return []

    def _summary_html(self):
        facts = self._computed()
        return estimator_html_repr(self) + (table([], facts) if facts else "")

    @property
    def _repr_html_(self):
        if sklearn.get_config()["display"] != "diagram":
            raise AttributeError("set_config(display='diagram') shows HTML.")
        return self._summary_html

    def _repr_mimebundle_(self, **kwargs):
        bundle = {"text/plain": repr(self)}
        if sklearn.get_config()["display"] == "diagram":
            bundle["text/html"] = self._summary_html()
        return bundle


class InfluenceSummary(FitSummary):
    """Mixin of a `BaseInfluence`, which sets ``_seconds`` at the end of ``fit``."""

    # The quantity that an influence is, and how a class computed it.
    _estimand = "loss without the row minus loss with it"

    def _path(self):
        """Return the way in which the influences are computed, in a few words."""
        return ""

    def _computed(self):
        if "_seconds" not in vars(self):  # not fitted, or fit was interrupted
            return []
        refitted = len(getattr(self, "refitted_rows_", ()))
        partly = 0 < refitted < self.n_samples_fit_
        facts = {
            "training rows": self.n_samples_fit_,
            "influence": f"{self._estimand}; positive = the row made the prediction "
            "better",
            "unit": f"{self._loss.name} of one test row",
            "computed by": self._path(),
            "rows left out by retraining": refitted if partly else "",
            "held fixed": ", ".join(getattr(self, "fixed_steps_", ())),
            "fit took": f"{self._seconds:.2g} s",
        }
        return [
            (Sentence(title), Sentence(fact))
            for title, fact in facts.items()
            if fact != ""
        ]
