"""Adult for benchmarks/compression.py: a network that learns the predictions of the best candidate."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import onnx
from common import alternate
from compression_networks import PEER, context_of, plan_of, quantize_by_onnxruntime, session_of
from quality_data import TABLES
from quality_ours import prepare_data

from pipeline.compression.passes.graph_pass import apply_if_applicable
from pipeline.compression.passes.trees.order_trees import OrderTrees
from pipeline.compression.storage import pack_model
from pipeline.contracts.records.plan import Candidate
from pipeline.ensembling.distillation import distill, load_teacher
from pipeline.ensembling.students import STUDENTS
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.scoring import OnnxModel, feeds, truth
from pipeline.graphs.served_graph import wrap
from pipeline.planning.plan import plan
from pipeline.training.algorithms import ALGORITHMS
from pipeline.training.distributed.machine import Machine
from pipeline.training.trainer import Trainer
from pipeline.validation.prepare import PreparedFiles

__all__ = ["BEST", "make_adult", "measure_adult"]

BEST = "best candidate: gradient_boosting"
ROUNDS = 400


def make_adult() -> dict[str, dict[str, bytes]]:
    """Return served files: the planned boosting (one fit, no folds), and a network distilled from it, also in int8."""
    with tempfile.TemporaryDirectory() as folder:
        data = prepare_data(TABLES["adult"](0), Path(folder))
        splits = data.read_splits()
        candidates = plan(data.dataset, data.spec).candidates
        planned = next(candidate for candidate in candidates if candidate.algorithm == "gradient_boosting")
        machine = Machine(device="cpu", description="cpu", threads=1)
        trainer = Trainer(dataset=data.dataset, splits=splits, machine=machine, seed=0)
        task = trainer.make_task()
        context = trainer.make_context(Candidate(name="student", algorithm="mlp"), lambda text: None)
        boosting = ALGORITHMS["gradient_boosting"]
        teacher = boosting.train(boosting.configure({**planned.settings, "folds": 1}), task, context).body()
        predict_teacher = load_teacher(teacher, classes=task.classes, threads=1)
        fitted = distill(ALGORITHMS["mlp"], STUDENTS["mlp"], task, context, predict_teacher)
        student = bytes(fitted.body().SerializeToString())
        pass_context = context_of(student, task.train)
        bodies = {
            BEST: bytes(teacher.SerializeToString()),
            "fp32": student,
            PEER: quantize_by_onnxruntime(student),
            "static_int8": plan_of("static_int8").quantizations["int8"][0].make(pass_context)(student).model,
            "dynamic_int8": plan_of("dynamic_int8").quantizations["int8"][0].make(pass_context)(student).model,
        }
        serve = partial(_serve, data)
        return {"adult": {name: serve(body) for name, body in bodies.items()}}


def measure_adult(served: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Return each file's accuracy on the test rows, and the microseconds of ``session.run`` with raw columns."""
    with tempfile.TemporaryDirectory() as folder:
        data = prepare_data(TABLES["adult"](0), Path(folder))
        signature, test = data.dataset.signature, data.read_splits()["test"]
    rows, right = feeds(test, signature), truth(test, signature)
    sessions = {name: session_of(body) for name, body in served.items()}
    taken = {}
    for size in (1, 64):
        feeds_of_size = {name: values[:size] for name, values in rows.items()}
        taken[size] = alternate(
            {name: partial(session.run, None, feeds_of_size) for name, session in sessions.items()},
            ROUNDS if size == 1 else 100,
        )
    return {
        name: {
            "us": {str(size): medians[name] for size, medians in taken.items()},
            "times": {str(size): round(medians[BEST] / medians[name], 2) for size, medians in taken.items()},
            "stored bytes": len(pack_model(body)),
            "accuracy": measure(signature, right, OnnxModel(body, threads=1).run(rows))["accuracy"],
        }
        for name, body in served.items()
    }


def _serve(data: PreparedFiles, body: bytes) -> bytes:
    wrapped = wrap(onnx.load_from_string(body), data.dataset, data.dataset.signature).SerializeToString()
    return apply_if_applicable(OrderTrees(), wrapped)
