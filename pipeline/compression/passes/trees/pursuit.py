"""Orthogonal matching pursuit that can be continued: a larger count starts with the choice of a smaller one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Pursuit"]

_GROWTH_DIVISOR = 32  # a round chooses 1 + (variables chosen so far) / 32 variables, then refits the factors
_MIN_REMAINDER = 1e-5  # relative to the largest variance in a round; a smaller remainder is rounding

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Pursuit:
    """Chooses variables whose combination is nearest to a target, and fits their factors by least squares.

    Each round chooses the variables with the largest products with the residual of the target; a variable that is a
    combination of chosen ones is skipped. scikit-learn's orthogonal_mp_gram chooses one variable at a time and cannot
    continue; choosing a few at a time takes a tenth of its time.

    Sources: Pati, Rezaiifar and Krishnaprasad 1993 (https://doi.org/10.1109/ACSSC.1993.342465); several at once: Wang,
    Kwon and Shim 2012, Generalized orthogonal matching pursuit (https://doi.org/10.1109/TSP.2012.2218810).

    Args:
        products: Products of each pair of variables [variables, variables].
        with_target: Products of each variable and the target [variables].
    """

    def __init__(self, products: npt.NDArray[np.float32], with_target: Floats) -> None:
        self._products, self._with_target = products, with_target
        self._missing = with_target  # products of each variable and the residual of the target
        self._is_open = np.ones(len(with_target), bool)
        self._order = np.zeros(0, np.int64)
        self._triangle = np.zeros((0, 0))  # Cholesky factor of the products of the chosen variables

    def factors(self, count: int) -> Floats:
        """Return a factor for each variable, nonzero for ``count``, or for fewer if they reproduce the target."""
        while len(self._order) < count and (np.abs(self._missing) * self._is_open).any():
            self._choose()
        factors = np.zeros(len(self._with_target))
        chosen = self._order[:count]
        factors[chosen] = self._fit(chosen)
        return factors

    def _choose(self) -> None:
        """Choose the next variables, one more than a 32nd of those chosen so far, and refit the factors."""
        from scipy.linalg import lapack, solve_triangular  # noqa: PLC0415 - takes a tenth of a second

        score = np.where(self._is_open, np.abs(self._missing), -1)
        best = np.argsort(-score, kind="stable")[: 1 + len(self._order) // _GROWTH_DIVISOR]
        best = best[score[best] > 0]
        self._is_open[best] = False
        across = self._products[np.ix_(self._order, best)].astype(np.float64)
        across = solve_triangular(self._triangle, across, lower=True) if len(across) else across
        remainder = self._products[np.ix_(best, best)] - across.T @ across
        tolerance = _MIN_REMAINDER * float(self._products[best, best].max())
        factor, pivots, rank, _ = lapack.dpstrf(remainder, tol=tolerance, lower=1)
        pivots = pivots[:rank] - 1
        before, total = len(self._order), len(self._order) + rank
        triangle = np.zeros((total, total))
        triangle[:before, :before] = self._triangle
        triangle[before:, :before] = across[:, pivots].T
        triangle[before:, before:] = np.tril(factor[:rank, :rank])
        self._triangle, self._order = triangle, np.concatenate([self._order, best[pivots]])
        fitted = self._fit(self._order).astype(np.float32)
        self._missing = self._with_target - fitted @ self._products[self._order]

    def _fit(self, chosen: Ints) -> Floats:
        from scipy.linalg import cho_solve  # noqa: PLC0415 - takes a tenth of a second

        triangle = self._triangle[: len(chosen), : len(chosen)]
        factors: Floats = cho_solve((triangle, True), self._with_target[chosen]) if len(chosen) else np.zeros(0)
        return factors
