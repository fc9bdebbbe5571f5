r"""Standard errors of the fixed scorer's values, by the jackknife over groups of rows.

The other rows are cut into G groups at random; without group g the row's prediction is
:math:`f_g`, and

.. math:: se^2 = \frac{G - 1}{G} \sum_g (v_g - \bar v)^2.

It says how much a value would change with another sample of rows. Predictions without
the row and without a group are exact: each is one solve in the members' features. So
are typical residuals, given the residuals of the other rows; penalties and weights of
the stack, the frequencies of mistakes and `odds_of_far_rows` are held fixed. The
temperature of labels and the median residual of numbers are estimated from at most
2,000 of the rows without the group, and moved toward those of all rows, whose error is
smaller.

**Cost.** O(G p (n p + m p)) per member for m rows and the 2,000, twice for numbers.

References
----------
B. Efron, "The Jackknife, the Bootstrap and Other Resampling Plans", SIAM, 1982.
"""

from dataclasses import replace

import numpy as np

from skinfluence.cleaning.surprise._scorer import best_temperature
from skinfluence.cleaning.surprise._stacked_ridge import coefficients_of

N_GROUPS, N_SAMPLED = 10, 2_000


def replicated_values(scored, rows):
    """Return the values of some rows without one group of rows after another.

    Parameters
    ----------
    scored : Scored
        Models of all rows.
    rows : ndarray of int, shape (m,)
        Rows whose values are replicated.

    Returns
    -------
    values : ndarray of shape (n_groups, m)
    """
    n = len(scored.T)
    sample = np.random.default_rng(0).permutation(n)[:N_SAMPLED]
    both = np.concatenate([rows, sample])
    group = groups(n)
    said = replicated_predictions(scored.stack, both)
    others = [group[sample] != g for g in range(len(said))]
    # Scales the error of estimates from the sample to that of all rows.
    shrink = np.sqrt(len(sample) / n)
    T, m = scored.T, len(rows)
    if scored.temperature is not None:
        now = scored.temperature
        logs = np.log(
            [
                best_temperature(s[m:][used], T[sample][used], now)
                for s, used in zip(said, others, strict=True)
            ]
        )
        temperatures = now * np.exp(shrink * (logs - logs.mean()))
        return np.array(
            [
                replace(scored, temperature=t).values(s[:m], T[rows])
                for t, s in zip(temperatures, said, strict=True)
            ]
        )
    typical = scored.typical[both] * _typical_moves(scored.amounts, both)
    ratio = np.abs(T[both] - said)[:, m:] / typical[:, m:]
    scales = np.log(
        [np.nanmedian(r[used], axis=0) for r, used in zip(ratio, others, strict=True)]
    )
    typical *= np.exp(shrink * (scales - scales.mean(axis=0)))[:, None]
    odds = scored.odds[rows]
    return np.array(
        [
            replace(scored, typical=t, odds=odds).values(s[:m], T[rows])
            for t, s in zip(typical[:, :m], said[:, :m], strict=True)
        ]
    )


def _typical_moves(amounts, rows):
    """Factors on typical residuals of some rows, (n_groups, m, k)."""
    of_scales = []
    for stack in amounts.sizes:
        logs = replicated_predictions(stack, rows)
        of_scales.append(logs - logs.mean(axis=0))
    columns = np.arange(of_scales[0].shape[-1])
    chosen = amounts.logarithm.astype(int)
    return np.exp(np.moveaxis(np.stack(of_scales), 0, -1)[..., columns, chosen])


def groups(n):
    """Cut n rows at random."""
    return np.random.default_rng(0).permutation(n) % min(N_GROUPS, n)


def replicated_predictions(stack, rows):
    """Predict rows, each left out, without one group of the others after another.

    Parameters
    ----------
    stack : StackedRidge
        Fitted.
    rows : ndarray of int, shape (m,)
        The rows to predict.

    Returns
    -------
    predictions : ndarray of shape (n_groups, m, k)
    """
    group = groups(len(stack.T))
    n_groups = group.max() + 1
    said = np.full((n_groups, len(rows), stack.T.shape[1]), stack.mean)
    said *= 1 - stack.weights.sum()
    for weight, U, a in stack.members():
        gram, moment = U.T @ U, U.T @ stack.T
        for g in range(n_groups):
            out = group == g
            gram_g = gram - U[out].T @ U[out]
            moment_g = moment - U[out].T @ stack.T[out]
            said[g] += weight * _left_out(
                U[rows], stack.T[rows], gram_g, moment_g, a, group[rows] != g
            )
    return said


def _left_out(U, T, gram, moment, a, used):
    """Predict rows without themselves where they are used."""
    fitted = U @ coefficients_of(gram, moment, a)
    leverage = (U * coefficients_of(gram, U.T, a).T).sum(axis=1)
    own = used / np.maximum(1 - leverage, 1e-9)
    residual = (T - fitted) * np.where(used, own, 1.0)[:, None]
    return T - residual


def jackknife_error(replicates):
    """Standard error from values of shape (n_groups, m)."""
    n_groups = len(replicates)
    return np.sqrt((n_groups - 1) * replicates.var(axis=0))
