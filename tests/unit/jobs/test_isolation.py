"""The results of a user's code are read only as data."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.contracts.errors import CandidateFailedError, ConfigurationError, IntegrityError
from pipeline.contracts.records.outcome import MODEL, REFERENCE, TRAINED, TrainedCandidate
from pipeline.jobs.sandbox.sandbox import (
    _check_results,
    _Checkpoint,
    _environment,
    _plain_file,
    _ProtocolReader,
    run_isolated,
)

TOKEN = "0123456789abcdef"


def _graph() -> onnx.ModelProto:
    graph_input, answer = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in ("num", "y")
    )
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [2.0])
    graph = helper.make_graph([helper.make_node("Mul", ["num", "w"], ["y"])], "g", [graph_input], [answer], [weight])
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


def test_complete_plain_files_are_accepted_and_others_removed(out: Path) -> None:
    (out / "more.txt").write_text("x")
    (out / "checkpoint.pt").symlink_to("/etc/passwd")
    assert _check_results(out).candidate == "model_py"
    assert not (out / "more.txt").exists()
    assert not (out / "checkpoint.pt").is_symlink()


def test_a_link_to_another_file_is_refused(out: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("job") / "environ"
    secret.write_bytes(_graph().SerializeToString())
    (out / MODEL).unlink()
    (out / MODEL).symlink_to(secret)
    with pytest.raises(CandidateFailedError, match=f"without {MODEL}"):
        _check_results(out)
    (out / MODEL).unlink(missing_ok=True)
    os.link(secret, out / MODEL)
    with pytest.raises(IntegrityError, match="not a file of an expected size"):
        _check_results(out)


def test_a_graph_with_external_weights_or_unknown_operators_is_refused(out: Path) -> None:
    outside = _graph()
    outside.graph.initializer[0].data_location = TensorProto.EXTERNAL
    outside.graph.initializer[0].external_data.add(key="location", value="../../secret")
    foreign = _graph()
    foreign.graph.node[0].domain = "com.evil"
    foreign.opset_import.append(helper.make_opsetid("com.evil", 1))
    for broken in (outside.SerializeToString(), foreign.SerializeToString(), b"no graph"):
        (out / MODEL).write_bytes(broken)
        with pytest.raises(IntegrityError, match=MODEL):
            _check_results(out)


def test_the_environment_of_the_code_has_no_credentials_or_resource_names(tmp_path: Path) -> None:
    environment = {
        "PATH": "/bin", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x", "AWS_SECRET_ACCESS_KEY": "s",
        "ARTIFACTS_BUCKET": "b", "TENANT_ROLE_ARN": "r", "OMP_NUM_THREADS": "2",
    }  # fmt: skip
    assert set(_environment(environment, tmp_path)) == {
        "PATH", "OMP_NUM_THREADS", "HOME", "TMPDIR", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE",
    }  # fmt: skip


class Heard:
    """The messages that the lines of a process contained."""

    def __init__(self, *lines: str) -> None:
        self.reports: list[str] = []
        self.points: list[Mapping[str, float]] = []
        self.checkpoints = 0
        reader = _ProtocolReader(
            token=TOKEN, report=self.reports.append, watch=self.points.append, checkpoint=self._checkpoint
        )
        self.error = reader.read_all(io.StringIO("".join(lines)))

    def _checkpoint(self) -> None:
        self.checkpoints += 1

    @property
    def all(self) -> tuple[list[str], list[Mapping[str, float]], int, str | None]:
        return self.reports, self.points, self.checkpoints, self.error


def _printed(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.lines for record in caplog.records if "printed" in record.message]  # type: ignore[attr-defined]


def test_messages_after_the_token_are_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pipeline")
    messages = ('{"report": "r"}', '{"point": {"epoch": 1, "loss": 0.5}}', '{"checkpoint": true}', '{"error": "e"}')
    heard = Heard(*(f"{TOKEN}{message}\n" for message in messages), f"without an end{TOKEN}{messages[0]}\n")
    assert heard.all == (["r", "r"], [{"epoch": 1, "loss": 0.5}], 1, "e")
    assert _printed(caplog) == []


@pytest.mark.parametrize("mark", ["", TOKEN])
@pytest.mark.parametrize(
    "line",
    [
        "hello", "[1]", "{" * 9_000, '{"point": 3}', "null", '{"checkpoint": "epoch 3"}', '{"traceback": 3}',
        '{"checkpoint": 1}', '{"error": 3}', '{"report": ["x"]}', '{"point": ' + "9" * 5_000 + "}",
    ],
)  # fmt: skip
def test_other_output_is_not_a_message_and_only_its_lines_are_counted(
    caplog: pytest.LogCaptureFixture, mark: str, line: str
) -> None:
    caplog.set_level(logging.INFO, "pipeline")
    assert Heard(f"{mark}{line}\n\n").all == ([], [], 0, None)
    assert _printed(caplog) == [1]
    assert line not in caplog.text


@pytest.mark.parametrize(
    "line",
    ['{"report": "x"}', '{"checkpoint": true}', '{"point": {"loss": 1}}', '{"error": "none"}', '{"traceback": []}'],
)
def test_messages_without_the_token_are_ignored(line: str) -> None:
    assert Heard(f"{line}\n").all == ([], [], 0, None)


def test_only_the_numbers_of_a_point_are_read() -> None:
    point = {"loss": "x", "epoch": 1, "sure": True, "more": [1], "longest": 0}
    line = json.dumps({"point": point}).replace(": 0}", ": 1" + "0" * 999 + "}")
    assert Heard(f"{TOKEN}{line}\n").points == [{"epoch": 1.0, "longest": float("inf")}]


def test_long_output_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pipeline")
    Heard(*(f"{number}\n" for number in range(3_000)))
    assert _printed(caplog) == [3_000]


class Kept:
    def __init__(self, folder: Path, seconds: float) -> None:
        self.now, self.states = 0.0, list[bytes]()
        self.path = folder / "checkpoint.pt"
        self.checkpoint = _Checkpoint(path=self.path, seconds=seconds, keep=self.states.append, clock=lambda: self.now)

    def at(self, now: float, state: bytes) -> None:
        self.now = now
        self.path.write_bytes(state)
        self.checkpoint()


def test_a_checkpoint_that_comes_too_soon_is_ignored(tmp_path: Path) -> None:
    kept = Kept(tmp_path, seconds=60)
    for now in (0, 1, 29, 55, 56, 120):
        kept.at(now, str(now).encode())
    assert kept.states == [b"0", b"55", b"120"]


def test_a_missing_checkpoint_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = Kept(tmp_path, seconds=60)
    kept.checkpoint()
    assert kept.states == []
    assert [record.message for record in caplog.records] == ["model.py: an announced checkpoint is missing"]
    kept.at(1, b"state")
    assert kept.states == [b"state"], "the missing checkpoint was not counted"


def test_a_checkpoint_that_is_too_large_is_refused(tmp_path: Path) -> None:
    kept = Kept(tmp_path, seconds=60)
    with kept.path.open("wb") as file:
        file.truncate((4 << 30) + 1)
    with pytest.raises(IntegrityError, match="not a file of an expected size"):
        kept.checkpoint()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs a file of Linux without a size")
def test_a_file_larger_than_its_reported_size_is_refused() -> None:
    """As a file that grows while it is read."""
    with pytest.raises(IntegrityError, match="not a file of an expected size"):
        _plain_file(Path("/proc/self/maps"))


@pytest.mark.parametrize(
    ("isolation", "error", "sentence"),
    [("refused", CandidateFailedError, "modeldrop up --allow-code"), ("user", ConfigurationError, "not root")],
)
def test_code_is_refused_where_it_may_not_run(tmp_path: Path, isolation, error, sentence: str) -> None:
    if isolation == "user" and os.geteuid() == 0:
        pytest.skip("this is root, who may give it another user")
    with pytest.raises(error, match=sentence):
        run_isolated(
            tmp_path, isolation=isolation, environment={}, report=print, watch=print, keep=print, checkpoint_seconds=0
        )
