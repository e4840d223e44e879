"""Each sample meets its quality bound on its test file, as a later file and as a companion file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.files.conftest import validate_sample
from tests.helpers.file_harness import Served
from tests.helpers.sample_files import MEASURED, Sample

Serve = Callable[[str], Served]
each_sample = pytest.mark.parametrize("sample", MEASURED, ids=lambda sample: sample.name)


@each_sample
def test_the_predictions_of_the_test_file_meet_the_quality_bound(sample: Sample, serve_sample: Serve) -> None:
    quality = serve_sample(sample.name).quality(sample.metric, sample.test_path)
    assert sample.meets_bound(quality), quality


@each_sample
def test_the_test_file_is_read_like_the_data_as_a_companion(
    sample: Sample, serve_sample: Serve, tmp_path: Path
) -> None:
    served = serve_sample(sample.name)
    file = validate_sample(sample, tmp_path, {sample.test: sample.read(sample.test)})
    test = file.split("test")
    assert test.height == len(served.predict_file(sample.test_path, tmp_path / "predict")[0])
    assert file.kinds == served.file.kinds
    quality = served.split_quality(sample.metric, test)
    assert sample.meets_bound(quality), quality
