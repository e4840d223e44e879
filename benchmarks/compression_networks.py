"""The networks that benchmarks/compression.py compresses, their data, and the passes on them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import polars as pl
import torch
from onnxruntime.quantization import quantize_dynamic
from quality_data import DATA
from torch import Tensor, nn

from pipeline.compression.fine_tuning.budget import Budget
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.quantization.quantization_graph import prepare_quantization
from pipeline.compression.recipes import CompressionPlan, plan_passes
from pipeline.compression.training_rows import TrainingRows
from pipeline.contracts.records.variant import PassName
from pipeline.contracts.spec.job_spec import Compression
from pipeline.evaluation.sessions import session_options
from pipeline.training.algorithm import Rows, RunContext, TrainingTask
from pipeline.training.algorithms import ALGORITHMS

__all__ = [
    "PEER",
    "accuracy",
    "make_lenet_5",
    "make_lenet_300_100",
    "make_transformer",
    "read_mnist",
    "read_news",
    "session_of",
]

PEER = "peer: onnxruntime dynamic int8"
VALIDATION_ROWS = 5_000
BATCH_ROWS = 64
FINE_TUNING_SECONDS = 420.0  # limit per pass; pruning LeNet-5 takes 300 s on a shared processor
LENET_300_100 = {
    "hidden": (300, 100), "optimizer": "adam", "batch_size": 128, "dropout": 0.2, "weight_decay": 0.0,
    "learning_rate": 1e-3, "schedule": "cosine", "early_stopping": 1000, "epochs": 20,
}  # fmt: skip

Bodies = dict[str, bytes]


def make_lenet_300_100() -> dict[str, Bodies]:
    """Return LeNet-300-100: dense, by the peer, and pruned at two strengths with shared weights."""
    rows = read_mnist("train")
    dense = train_algorithm("mlp", LENET_300_100, rows, validation_rows=VALIDATION_ROWS)
    bodies = {"fp32": dense, PEER: quantize_by_onnxruntime(dense)}
    return {"lenet_300_100": bodies | prune_and_share(dense, rows, strengths=slice(0, 2))}


def make_lenet_5() -> dict[str, Bodies]:
    """Return LeNet-5: pruned with shared weights (``lenet_5``), and with fewer channels and in integers (``cnn``)."""
    rows = read_mnist("train")
    dense = train_lenet5(rows, epochs=6)
    start = {"fp32": dense, PEER: quantize_by_onnxruntime(dense)}
    plan = plan_of("prune_channels")
    narrow = plan.changes[0][0].make(context_of(dense, rows))(dense).model
    to_int8 = plan.quantizations["int8"][0]
    cnn = {
        **start,
        "static_int8": to_int8.make(context_of(dense, rows))(dense).model,
        "prune_channels": narrow,
        "prune_channels, static_int8": to_int8.make(context_of(dense, rows))(narrow).model,
    }
    return {"lenet_5": start | prune_and_share(dense, rows, strengths=slice(1, 2)), "cnn": cnn}


def make_transformer() -> dict[str, Bodies]:
    """Return a transformer: in fp32, by the peer, and in int8 with static scales and with scales per row."""
    rows = read_news("train")
    full = train_algorithm("transformer", {"epochs": 4}, rows, validation_rows=600)
    passes: tuple[PassName, ...] = ("static_int8", "dynamic_int8")
    ours = {name: plan_of(name).quantizations["int8"][0].make(context_of(full, rows))(full).model for name in passes}
    return {"transformer": {"fp32": full, PEER: quantize_by_onnxruntime(full), **ours}}


def prune_and_share(dense: bytes, rows: Rows, *, strengths: slice) -> Bodies:
    """Return the files of ``compression: {passes: [prune_magnitude, share_weights]}``.

    Args:
        dense: The body.
        rows: The training rows.
        strengths: Which strengths of pruning, the strongest first.
    """
    plan = plan_of("prune_magnitude", "share_weights")
    bodies = {}
    for (prune,) in plan.strengths[strengths]:
        pruned = prune.make(context_of(dense, rows))(dense).model
        share_weights = plan.quantizations["codebook"][0]
        bodies[f"{prune.description}, {share_weights.description}"] = share_weights.make(context_of(dense, rows))(
            pruned
        ).model
    return bodies


def plan_of(*passes: PassName) -> CompressionPlan:
    """Return the plan for ``compression: {passes: [...]}`` in train.yaml."""
    return plan_passes(Compression(passes=passes))


def context_of(body: bytes, rows: Rows) -> PassContext:
    """Return the context of passes on a body, with a new time budget."""
    return PassContext(
        read_rows=partial(training_rows, rows), teacher=body, budget=Budget.start(FINE_TUNING_SECONDS),
    )  # fmt: skip


def quantize_by_onnxruntime(body: bytes) -> bytes:
    """Return the body quantized by onnxruntime's own dynamic int8, after its pre-processing."""
    with tempfile.TemporaryDirectory() as folder:
        quantized = Path(folder, "int8.onnx")
        quantize_dynamic(
            prepare_quantization(onnx.load_from_string(body)), quantized, op_types_to_quantize=["MatMul", "Gather"]
        )
        return quantized.read_bytes()


def read_mnist(name: str) -> Rows:
    """Return MNIST's images in a seeded random order, since the files are sorted by label."""
    with np.load(DATA / "mnist" / f"{name}.npz") as arrays:
        images, labels = arrays["images"], arrays["labels"].astype(np.int64)
    order = np.random.default_rng(0).permutation(len(labels))
    none = len(labels), 0
    return Rows(
        num=np.empty(none, np.float32),
        cat=np.empty(none, np.int64),
        image=images[order][..., None],
        target=labels[order],
    )


def read_news(name: str) -> Rows:
    """Return AG News' texts in a seeded random order, and their topics, numbered in sorted order."""
    frame = pl.read_csv(DATA / "ag_news" / f"{name}.csv").sample(fraction=1, shuffle=True, seed=0)
    topics = frame["topic"].cast(pl.String).to_numpy()
    _, target = np.unique(topics, return_inverse=True)
    none = len(topics), 0
    texts = frame.select("text").to_numpy().astype(object)
    return Rows(num=np.empty(none, np.float32), cat=np.empty(none, np.int64), text=texts, target=target)


def train_algorithm(algorithm: str, settings: Mapping[str, Any], rows: Rows, *, validation_rows: int) -> bytes:
    """Train an algorithm like a training job, and return its uncompressed ONNX body.

    Args:
        algorithm: Name of the algorithm.
        settings: Hyperparameters.
        rows: The rows; the last ``validation_rows`` are validation rows.
        validation_rows: Number of validation rows.
    """
    held_out = np.arange(len(rows)) >= len(rows) - validation_rows
    task = TrainingTask(
        classes=len(np.unique(rows.target)), cardinalities=(), train=rows.take(~held_out),
        validation=rows.take(held_out), seed=0,
    )  # fmt: skip
    chosen = ALGORITHMS[algorithm]
    return bytes(chosen.train(chosen.configure(settings), task, RunContext()).body().SerializeToString())


def training_rows(rows: Rows) -> TrainingRows:
    """Return the rows in the form that passes take."""
    inputs = {"num": rows.num, "cat": rows.cat, "text": rows.text, "image": rows.image}
    return TrainingRows(inputs=inputs, target=rows.target, classes=len(np.unique(rows.target)))


def session_of(body: bytes) -> onnxruntime.InferenceSession:
    """Return a session on one thread, with the options of the predict function."""
    return onnxruntime.InferenceSession(body, session_options(), providers=["CPUExecutionProvider"])


def accuracy(body: bytes, values: npt.NDArray[Any], target: npt.NDArray[np.int64]) -> float:
    """Return the accuracy of a body that has one input."""
    session = session_of(body)
    name = session.get_inputs()[0].name
    predictions = [
        session.run(None, {name: values[start : start + BATCH_ROWS]})[0].argmax(axis=1)
        for start in range(0, len(values), BATCH_ROWS)
    ]
    return float((np.concatenate(predictions) == target).mean())


class LeNet5(nn.Module):
    """Caffe's LeNet-5, which Deep Compression prunes: 431,080 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10), nn.Softmax(dim=1),
        )  # fmt: skip

    def forward(self, image: Tensor) -> Tensor:
        """Return probabilities [batch, 10] of uint8 images [batch, 28, 28, 1]."""
        probabilities: Tensor = self.layers(image.float().permute(0, 3, 1, 2) / 255)
        return probabilities


def train_lenet5(rows: Rows, *, epochs: int) -> bytes:
    """Train LeNet-5, and return its ONNX body."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = LeNet5()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    steps = epochs * (len(rows) // BATCH_ROWS)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    images, target = torch.from_numpy(rows.image), torch.from_numpy(rows.target)
    for epoch in range(epochs):
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(epoch))
        for indices in order.split(BATCH_ROWS)[: len(rows) // BATCH_ROWS]:
            optimizer.zero_grad()
            loss = nn.functional.nll_loss(network(images[indices]).clamp_min(1e-7).log(), target[indices])
            loss.backward()
            optimizer.step()
            schedule.step()
    return _export(network.eval(), images[:2])


def _export(network: nn.Module, images: Tensor) -> bytes:
    buffer = BytesIO()
    program = torch.onnx.export(
        network, (images,), dynamo=True, input_names=["image"], output_names=["answer"], opset_version=20,
        dynamic_shapes={"image": {0: torch.export.Dim("batch")}}, external_data=False, verbose=False,
    )  # fmt: skip
    program.save(buffer)
    model = onnx.load_from_string(buffer.getvalue())
    return bytes(model.SerializeToString())
