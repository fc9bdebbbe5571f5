"""Semivalues: the weights of coalition sizes in a player's value.

A semivalue of a player is its mean marginal contribution, over the sizes s = 0, ...,
n - 1 of the coalition it joins, and over all coalitions of that size:

.. math:: \\phi_i = \\sum_s p(s) \\; \\mathrm{mean}_{|S| = s, i \\notin S}
    \\; [U(S + i) - U(S)], \\qquad \\sum_s p(s) = 1

=================  ====================================================
Shapley            p(s) = 1 / n, the only efficient one: values sum to
                   U(all) - U(none)
Beta(alpha, beta)  beta-binomial; alpha > beta favours small coalitions,
                   Beta(1, 1) is Shapley
Banzhaf            binomial(n - 1, 1/2): all coalitions count the same
=================  ====================================================
"""

import numpy as np
from scipy.special import comb
from scipy.stats import betabinom, binom

SEMIVALUES = ("shapley", "beta", "banzhaf")


def size_probabilities(semivalue, n_players, alpha=1.0, beta=1.0):
    """Probability of each size of the coalition that a player joins, shape (n,).

    Parameters
    ----------
    semivalue : {"shapley", "beta", "banzhaf"}
        Which one.
    n_players : int
        Number of players n.
    alpha, beta : float
        For "beta", as in Kwon & Zou 2022.
    """
    sizes = np.arange(n_players)
    if semivalue == "shapley":
        return np.full(n_players, 1.0 / n_players)
    if semivalue == "banzhaf":
        return binom.pmf(sizes, n_players - 1, 0.5)
    return betabinom.pmf(sizes, n_players - 1, beta, alpha)


def coalition_weights(probabilities):
    """Weight of a single coalition of each size, p(s) / C(n - 1, s), shape (n,)."""
    n = len(probabilities)
    return probabilities / comb(n - 1, np.arange(n))
