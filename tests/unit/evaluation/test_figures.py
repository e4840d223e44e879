"""Numbers formatted for readers."""

from __future__ import annotations

import pytest

from pipeline.evaluation.number_format import format_number


@pytest.mark.parametrize(
    ("value", "digits", "formatted"),
    [
        (0.86123, 4, "0.8612"), (46222.4, 4, "46222"), (9999.7, 4, "10000"), (-9999.6, 4, "-10000"),
        (99999.6, 5, "100000"), (123.456, 4, "123.5"), (0.0, 4, "0"), (1.2e-5, 4, "1.2e-05"), (1e300, 4, "1e+300"),
        (float("inf"), 4, "inf"), (float("nan"), 4, "nan"),
    ],
)  # fmt: skip
def test_numbers_are_rounded_to_digits_without_exponents_for_large_values(
    value: float, digits: int, formatted: str
) -> None:
    assert format_number(value, digits) == formatted
