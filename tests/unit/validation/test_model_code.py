"""A model.py next to the data is only parsed: invalid code is refused and never run."""

from __future__ import annotations

import pytest

from pipeline.contracts.errors import InvalidModelCodeError
from pipeline.validation.companions.model_code import check_code


def test_code_with_a_build_function_is_returned_unchanged_and_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    code = b"print('it ran')\ndef build(shape, settings):\n    raise SystemExit\n"
    assert check_code(code) == code
    assert capsys.readouterr().out == "", "the code must not run"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (b"def build(shape, settings:\n    pass", r"model\.py is not Python \(line 1\)"),
        (b"def make(): ...", "has no function 'build'"),
        (b"build = 3", "has no function 'build'"),
        (b"\xff\xfe", "UTF-8 source"),
        (b"x = 1\0", "not Python"),
        (b"x = " + b"(" * 50_000 + b")" * 50_000, "not Python"),
    ],
)
def test_invalid_model_code_is_refused_with_the_reason(code: bytes, sentence: str) -> None:
    with pytest.raises(InvalidModelCodeError, match=sentence):
        check_code(code)
