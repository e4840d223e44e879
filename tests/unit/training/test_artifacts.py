"""The files of a trained candidate."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.export import artifacts
from tests.helpers.trained_networks import trained


def test_weights_that_exceed_an_onnx_file_fail_the_candidate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "_MAX_WEIGHT_BYTES", 1000)  # a test with 2 GB would take minutes
    network = trained("wine")
    with pytest.raises(CandidateFailedError, match=r"GB of weights, at most .* fit into an ONNX file"):
        artifacts.write_artifacts(
            onnx.load_from_string(network.body),
            network.predicted,
            dataset=network.dataset,
            signature=network.dataset.signature,
            workdir=tmp_path,
        )
    assert not list(tmp_path.iterdir())
