"""Orthogonal matching pursuit: sparse combinations of variables, extended to larger counts."""

from __future__ import annotations

import numpy as np

from pipeline.compression.passes.trees.pursuit import Pursuit

_VARIABLES = np.random.default_rng(0).normal(size=(60, 400))
_FACTORS = np.where(np.arange(60) % 10 == 0, 1.0 + np.arange(60) / 10, 0.0)  # six of 60


def _pursuit(variables: np.ndarray, target: np.ndarray) -> Pursuit:
    return Pursuit((variables @ variables.T).astype(np.float32), variables @ target)


def test_the_variables_of_a_sparse_target_are_found_with_their_factors() -> None:
    np.testing.assert_allclose(_pursuit(_VARIABLES, _FACTORS @ _VARIABLES).factors(6), _FACTORS, atol=1e-3)


def test_the_factors_of_a_count_do_not_depend_on_earlier_counts() -> None:
    target = np.random.default_rng(1).normal(size=400)
    pursuit = _pursuit(_VARIABLES, target)
    small, large = pursuit.factors(5), pursuit.factors(50)
    assert np.count_nonzero(small) == 5
    assert np.count_nonzero(large) == 50
    np.testing.assert_array_equal(np.flatnonzero(small[large == 0]), [])
    np.testing.assert_array_equal(pursuit.factors(5), small)
    np.testing.assert_array_equal(_pursuit(_VARIABLES, target).factors(50), large)
    products, with_target = _VARIABLES @ _VARIABLES.T, _VARIABLES @ target
    chosen = np.flatnonzero(large)
    exact = np.linalg.solve(products[np.ix_(chosen, chosen)], with_target[chosen])
    np.testing.assert_allclose(large[chosen], exact, atol=1e-4)


def test_a_variable_that_depends_linearly_on_chosen_variables_is_dropped() -> None:
    twice = np.concatenate([_VARIABLES[:5], 2 * _VARIABLES[:5]])
    factors = _pursuit(twice, np.ones(5) @ _VARIABLES[:5]).factors(10)
    assert np.count_nonzero(factors) <= 5
    np.testing.assert_allclose(factors @ twice, np.ones(5) @ _VARIABLES[:5], atol=1e-3)
