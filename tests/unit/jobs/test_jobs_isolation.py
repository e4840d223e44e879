"""What a user's code leaves is read as data alone."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.contracts.errors import CandidateFailedError, ConfigurationError, IntegrityError
from pipeline.contracts.outcome import MODEL, REFERENCE, TRAINED, TrainedCandidate
from pipeline.jobs.isolation import _checked, _environment, _message, run_isolated


def _graph() -> onnx.ModelProto:
    given, answer = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in ("num", "y"))
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [2.0])
    graph = helper.make_graph([helper.make_node("Mul", ["num", "w"], ["y"])], "g", [given], [answer], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / MODEL).write_bytes(_graph().SerializeToString())
    np.savez(tmp_path / REFERENCE, value=np.zeros(1))
    trained = TrainedCandidate(
        candidate="model_py", algorithm="model_py", device="cpu", seconds=1, quality={}, no_int8="trees",
        tolerance=1e-4, model_sha256="",
    )  # fmt: skip
    (tmp_path / TRAINED).write_bytes(trained.to_bytes())
    return tmp_path


def test_whole_plain_files_are_taken_and_others_removed(out: Path) -> None:
    (out / "more.txt").write_text("x")
    (out / "checkpoint.pt").symlink_to("/etc/passwd")
    assert _checked(out).candidate == "model_py"
    assert not (out / "more.txt").exists()
    assert not (out / "checkpoint.pt").is_symlink()


def test_a_link_to_another_file_is_not_followed(out: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("job") / "environ"
    secret.write_bytes(_graph().SerializeToString())
    (out / MODEL).unlink()
    (out / MODEL).symlink_to(secret)
    with pytest.raises(CandidateFailedError, match=f"without {MODEL}"):
        _checked(out)
    (out / MODEL).unlink(missing_ok=True)
    os.link(secret, out / MODEL)
    with pytest.raises(IntegrityError, match="not a file of an expected size"):
        _checked(out)


def test_a_graph_must_hold_its_weights_and_known_operators(out: Path) -> None:
    outside = _graph()
    outside.graph.initializer[0].data_location = TensorProto.EXTERNAL
    outside.graph.initializer[0].external_data.add(key="location", value="../../secret")
    foreign = _graph()
    foreign.graph.node[0].domain = "com.evil"
    foreign.opset_import.append(helper.make_opsetid("com.evil", 1))
    for broken in (outside.SerializeToString(), foreign.SerializeToString(), b"no graph"):
        (out / MODEL).write_bytes(broken)
        with pytest.raises(IntegrityError, match=MODEL):
            _checked(out)


def test_its_environment_has_no_name_or_credential_of_ours(tmp_path: Path) -> None:
    given = {
        "PATH": "/bin", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x", "AWS_SECRET_ACCESS_KEY": "s",
        "ARTIFACTS_BUCKET": "b", "MODELDROP_RUN_ROLE": "r", "OMP_NUM_THREADS": "2",
    }  # fmt: skip
    assert set(_environment(given, tmp_path)) == {
        "PATH", "OMP_NUM_THREADS", "HOME", "TMPDIR", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE",
    }  # fmt: skip


def test_what_it_prints_itself_is_no_message() -> None:
    for line in ("hello\n", "[1]\n", "{" * 9_000, '{"point": 3}\n', "null\n"):
        assert _message(line) == {}


@pytest.mark.parametrize(
    ("isolation", "error", "sentence"),
    [("refused", CandidateFailedError, "modeldrop up --allow-code"), ("user", ConfigurationError, "not root")],
)
def test_where_it_may_not_run_it_does_not(tmp_path: Path, isolation, error, sentence: str) -> None:
    if isolation == "user" and os.geteuid() == 0:
        pytest.skip("this is root, who may give it another user")
    with pytest.raises(error, match=sentence):
        run_isolated(tmp_path, isolation=isolation, environment={}, report=print, watch=print)
