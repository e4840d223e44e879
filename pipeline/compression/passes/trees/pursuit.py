"""Orthogonal matching pursuit that goes on where it ended: what a small count chooses begins a larger one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Pursuit"]

_SHARE_AT_ONCE = 32  # of what is chosen already, one of how many is chosen before the factors are fitted again
_MIN_REMAINDER = 1e-5  # of the largest variance of those chosen at once: less is rounding

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Pursuit:
    """Chooses variables whose combination is nearest to a target, and fits their factors by least squares.

    The next variables are those that what is missing of the target has the largest products with; one that is a
    combination of those chosen before is left out. scikit-learn's orthogonal_mp_gram chooses one at a time and cannot
    go on; choosing a few at a time takes a tenth of its time.

    Sources: Pati, Rezaiifar and Krishnaprasad 1993 (https://doi.org/10.1109/ACSSC.1993.342465); several at once: Wang,
    Kwon and Shim 2012, Generalized orthogonal matching pursuit (https://doi.org/10.1109/TSP.2012.2218810).

    Args:
        products: Products of each pair of variables [variables, variables].
        with_target: Products of each variable and the target.
    """

    def __init__(self, products: npt.NDArray[np.float32], with_target: Floats) -> None:
        self._products, self._with_target = products, with_target
        self._missing = with_target  # products with what the chosen ones leave of the target
        self._is_open = np.ones(len(with_target), bool)
        self._order = np.zeros(0, np.int64)
        self._triangle = np.zeros((0, 0))  # the Cholesky factor of the chosen ones' products

    def factors(self, count: int) -> Floats:
        """Return a factor for each variable, 0 of all but ``count`` of them; of fewer where they make it up."""
        while len(self._order) < count and (np.abs(self._missing) * self._is_open).any():
            self._choose()
        factors = np.zeros(len(self._with_target))
        chosen = self._order[:count]
        factors[chosen] = self._fit(chosen)
        return factors

    def _choose(self) -> None:
        """Choose the next variables: one of 32 of those that are chosen already, and one more."""
        from scipy.linalg import lapack, solve_triangular  # noqa: PLC0415 - a tenth of a second

        score = np.where(self._is_open, np.abs(self._missing), -1)
        best = np.argsort(-score, kind="stable")[: 1 + len(self._order) // _SHARE_AT_ONCE]
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
        from scipy.linalg import cho_solve  # noqa: PLC0415 - a tenth of a second

        triangle = self._triangle[: len(chosen), : len(chosen)]
        factors: Floats = cho_solve((triangle, True), self._with_target[chosen]) if len(chosen) else np.zeros(0)
        return factors
