"""A user's model.py is trained in a separate process, and its failures are reported."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipeline.contracts.errors import CandidateFailedError, IntegrityError, InvalidJobSpecError
from pipeline.contracts.object_keys import MODEL_CODE
from pipeline.contracts.records.outcome import CHECKPOINT, MODEL, TrainedCandidate
from pipeline.contracts.records.plan import Candidate
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.evaluation.scoring import OnnxModel, feeds
from pipeline.jobs.runtime.job import JobContext
from pipeline.jobs.sandbox.sandbox import run_isolated
from pipeline.jobs.sandbox.sandbox_main import TASK, Task
from pipeline.jobs.user_code import train_isolated
from pipeline.planning.plan import plan
from pipeline.planning.rules import CODE_REFUSED
from pipeline.training.distributed.machine import Machine
from pipeline.training.trainer import Trainer
from tests.fakes.objects import FakeObjectStore
from tests.fakes.tabular import table

CODE = """
import torch
from pydantic import BaseModel, Field

class Settings(BaseModel):
    width: int = Field(8, ge=1)

class Net(torch.nn.Module):
    def __init__(self, shape, width):
        super().__init__()
        self.categories = torch.nn.ModuleList(torch.nn.Embedding(count, 4) for count in shape.cardinalities)
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(shape.numbers + 4 * len(self.categories), width), torch.nn.ReLU(),
            torch.nn.Linear(width, shape.outputs))

    def forward(self, num, cat):
        return self.layers(torch.cat([num, *(embed(cat[:, i]) for i, embed in enumerate(self.categories))], dim=1))

def build(shape, settings):
    print("building")
    return Net(shape, settings.width)
"""
ROOT = Path(__file__).parents[3]


def _apart(
    folder: Path, code: str, settings: str = "{}", *, state: bytes | None = None, checkpoints: list[bytes] | None = None
) -> TrainedCandidate:
    """Train as the job does, without a bucket."""
    rows = table(rows=120)
    (folder / MODEL_CODE).write_text(code)
    (folder / "dataset.json").write_bytes(rows.dataset.to_bytes())
    for name, split in rows.splits.items():
        split.write_parquet(folder / f"{name}.parquet")
    task = Task(
        candidate=Candidate(name="model_py", algorithm="model_py", settings={"code": settings, "epochs": 2}),
        metric="accuracy", seed=0, seconds=60, class_weights=None, device="cpu",
        description="cpu", threads=1, checkpoint_seconds=0 if checkpoints is not None else 1e9,
    )  # fmt: skip
    if state is not None:
        (folder / CHECKPOINT).write_bytes(state)
    (folder / TASK).write_bytes(task.to_bytes())
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    points: list[object] = []
    trained = run_isolated(
        folder, isolation="none", environment=environment, report=lambda text: None, watch=points.append,
        keep=(checkpoints if checkpoints is not None else []).append, checkpoint_seconds=0,
    )  # fmt: skip
    assert len(points) == 2, "one point per epoch"
    return trained


PRINTED = ['{"checkpoint": "epoch 3"}', '{"point": {"loss": "x"}}', '{"traceback": 3}', '{"error": "none"}']
# The second checkpoint replaces the first in its file: an epoch lasts longer than to read that.
SLOW = "import time\n" + CODE.replace(
    "        return self.layers", "        time.sleep(0.1)\n        return self.layers"
).replace('print("building")', f'print(*{PRINTED!r}, sep="\\n")')


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The results of the process, and the checkpoints that it announced."""

    folder: Path
    candidate: TrainedCandidate
    checkpoints: list[bytes]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train code that prints lines like protocol messages, once for several tests."""
    folder, checkpoints = tmp_path_factory.mktemp("trained"), list[bytes]()
    candidate = _apart(folder, SLOW, '{"width": 16}', checkpoints=checkpoints)
    return Trained(folder=folder, candidate=candidate, checkpoints=checkpoints)


def test_a_model_py_is_trained_and_exported_to_onnx(trained: Trained) -> None:
    assert trained.candidate.folds == 0, "it has one network"
    rows = table(rows=120)
    answers = OnnxModel(trained.folder / "out" / MODEL).run(feeds(rows.validation, rows.dataset.signature))
    assert np.isfinite(answers.probabilities).all()


def test_a_later_attempt_resumes_from_a_checkpoint_and_gives_the_same_model(tmp_path: Path, trained: Trained) -> None:
    assert len(trained.checkpoints) == 2, "one per epoch"
    later = _apart(tmp_path, SLOW, '{"width": 16}', state=trained.checkpoints[0])
    assert any("resumed from a checkpoint in epoch 2" in note for note in later.notes)
    assert later.model_sha256 == trained.candidate.model_sha256


def test_printed_output_does_not_stop_training(trained: Trained) -> None:
    assert trained.candidate.algorithm == "model_py"


def test_long_output_without_a_newline_does_not_hide_an_error(tmp_path: Path) -> None:
    code = CODE.replace('print("building")', 'print("." * 149_990, end=""); raise ValueError("x" * 300_000)')
    with pytest.raises(CandidateFailedError, match=r"model.py \(line 20\) raised ValueError"):
        _apart(tmp_path, code)


def test_a_model_py_is_trained_without_checkpoints(tmp_path: Path) -> None:
    rows, store = table(rows=120), FakeObjectStore()
    machine = Machine(device="cpu", description="cpu", threads=1)
    trainer = Trainer(
        dataset=rows.dataset,
        splits=rows.splits,
        machine=machine,
        seed=0,
        metric="accuracy",
        class_weights=None,
        folds=1,
        deadline=time.monotonic() + 60,
    )
    context = JobContext(
        run="demo_m_0", job="code", artifacts=store, machine=machine, workdir=tmp_path, report=lambda text: None,
        isolation="none", environment={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    store.put(context.keys.code, CODE.encode())
    (folder := tmp_path / "model_py").mkdir()
    candidate = Candidate(name="model_py", algorithm="model_py", settings={"code": "{}", "epochs": 1})
    trained = train_isolated(context, trainer, candidate, folder, print)
    assert trained.algorithm == "model_py"
    assert (folder / MODEL).exists()


@pytest.mark.parametrize("trick", ["os.symlink(secret, name)", "os.link(secret, name)", "os.mkfifo(name)"])
def test_a_checkpoint_that_is_not_a_plain_file_is_refused(tmp_path: Path, trick: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a key")
    code = (
        f"import os, sys\nsecret, name = {str(secret)!r}, {CHECKPOINT!r}\n{trick}\n"
        f"print(sys.argv[2] + '{{\"checkpoint\": true}}', flush=True)\n"
        f"import time\ntime.sleep(2)\n{CODE}"  # else its own checkpoint may replace the file before it is read
    )
    checkpoints: list[bytes] = []
    with pytest.raises(IntegrityError, match=r"cannot be read|is not a file of an expected size"):
        _apart(tmp_path, code, checkpoints=checkpoints)
    assert not checkpoints


@pytest.mark.parametrize(
    ("code", "settings", "sentence"),
    [
        (CODE, '{"width": 0}', r"train\.yaml: code\.width: model\.py does not take it"),
        (CODE, '{"depth": "two"}', "ended|does not take"),
        ("def build(shape, settings):\n    return 3\n", "{}", "build returned a int: a torch.nn.Module is expected"),
        ("import torch\ndef build(shape, settings):\n    return torch.nn.ReLU()\n", "{}", "no parameters"),
        ("import os\ndef build(shape, settings):\n    os._exit(7)\n", "{}", "exit code 7"),
    ],
)
def test_an_error_in_the_code_is_reported_in_a_sentence(
    tmp_path: Path, code: str, settings: str, sentence: str
) -> None:
    if "depth" in settings:
        code = CODE.replace("class Settings(BaseModel):", "class Settings(BaseModel, extra='forbid'):")
    with pytest.raises(CandidateFailedError, match=sentence):
        _apart(tmp_path, code, settings)


def test_an_exception_of_the_code_is_logged_with_its_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    code = "def build(shape, settings):\n    return layers()\n\ndef layers():\n    raise KeyError('no such layer')\n"
    caplog.set_level(logging.ERROR)
    with pytest.raises(CandidateFailedError, match=r"model\.py \(line 5\) raised KeyError: the log of this job"):
        _apart(tmp_path, code)
    traceback = next(record for record in caplog.records if record.message == "model.py raised").traceback  # type: ignore[attr-defined]
    assert any("model.py, line 2, in build" in line for line in traceback)
    assert traceback[-1].startswith("KeyError: 'no such layer'")


def _nobody_can_run_python() -> bool:
    command = [sys.executable, "-c", ""]
    try:
        done = subprocess.run(command, user=65534, group=65534, extra_groups=[], cwd="/", check=False)
        return done.returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not _nobody_can_run_python(), reason="only root can give it another user, who must reach Python")
def test_the_code_runs_as_another_user_and_cannot_read_files_of_the_job(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    secret.chmod(0o600)
    for folder in (tmp_path, *tmp_path.parents[:2]):  # pytest's own; the folder of all temporary ones stays as it is
        folder.chmod(folder.stat().st_mode | 0o011)
    code = (
        "import os\ndef build(shape, settings):\n"
        f"    assert os.getuid() == 65534\n    for path in ({str(secret)!r}, f'/proc/{{os.getppid()}}/environ'):\n"
        "        try:\n            open(path).read()\n        except PermissionError:\n            continue\n"
        "        raise SystemExit('it read ' + path)\n    raise RuntimeError('closed')\n"
    )
    (tmp_path / MODEL_CODE).write_text(code)
    (tmp_path / TASK).write_text("{}")
    with pytest.raises(CandidateFailedError) as caught:
        _as_user(tmp_path, code)
    assert "RuntimeError" in caught.value.message


def _as_user(folder: Path, code: str) -> None:
    rows = table(rows=120)
    (folder / "dataset.json").write_bytes(rows.dataset.to_bytes())
    for name, split in rows.splits.items():
        split.write_parquet(folder / f"{name}.parquet")
    task = Task(
        candidate=Candidate(name="model_py", algorithm="model_py", settings={"epochs": 1}),
        metric="accuracy", seed=0, seconds=60, class_weights=None, device="cpu",
        description="cpu", threads=1, checkpoint_seconds=60,
    )  # fmt: skip
    (folder / TASK).write_bytes(task.to_bytes())
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run_isolated(
        folder, isolation="user", environment=environment, report=print, watch=print, keep=print, checkpoint_seconds=0
    )


def test_a_model_py_is_planned_in_a_separate_job_only_if_its_code_exists() -> None:
    dataset = table(rows=120).dataset
    assert "model_py" not in {candidate.algorithm for candidate in plan(dataset, JobSpec()).candidates}
    with pytest.raises(InvalidJobSpecError, match=r"there is no model\.py beside the data"):
        plan(dataset, JobSpec(algorithms=("model_py",)))
    planned = plan(dataset.model_copy(update={"code_sha256": "0" * 64}), JobSpec(code={"width": 4}))
    assert [(job.name, job.candidates) for job in planned.jobs if job.queue == "code"] == [("code", ("model_py",))]
    (candidate,) = (entry for entry in planned.candidates if entry.algorithm == "model_py")
    assert candidate.settings["code"] == '{"width": 4}'


def test_a_model_py_is_skipped_or_refused_in_the_plan_when_code_is_not_allowed() -> None:
    dataset = table(rows=120).dataset.model_copy(update={"code_sha256": "0" * 64})
    planned = plan(dataset, JobSpec(), runs_code=False)
    assert "model_py" not in {candidate.algorithm for candidate in planned.candidates}
    assert CODE_REFUSED in {skipped.reason for skipped in planned.skipped if skipped.algorithm == "model_py"}
    with pytest.raises(InvalidJobSpecError, match="modeldrop up --allow-code"):
        plan(dataset, JobSpec(algorithms=("model_py",)), runs_code=False)
