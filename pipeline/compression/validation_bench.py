"""The bench: score a file on the validation rows, compare and time it against fp32, and store it by its sha256."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.compression.gates import FileCost, Predicted, failed_cost_gates, failed_quality_gates
from pipeline.compression.measuring.differences import agreement, batch_difference
from pipeline.compression.measuring.latencies import measure_latencies
from pipeline.compression.measuring.load_cost import LoadProbe
from pipeline.compression.passes.graph_pass import apply_if_applicable
from pipeline.compression.passes.trees.order_trees import OrderTrees
from pipeline.compression.storage import pack_model
from pipeline.compression.unseen_rows import UnseenRows
from pipeline.contracts.object_keys import RunKeys, artifact_key
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.variant import Artifact, Latency
from pipeline.contracts.signature import Signature
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.contracts.spec.metrics import choose_metric
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.scoring import Feeds, OnnxModel, Predictions, one_row
from pipeline.graphs.served_graph import wrap

__all__ = ["Latencies", "ServedFile", "ValidationBench", "VariantComparison"]

Latencies = Mapping[str, Latency]


@dataclass(frozen=True, kw_only=True)
class ServedFile:
    """A served file and its predictions for the validation rows.

    Attributes:
        content: The ONNX file.
        model: Session of the file.
        predictions: Predictions for the validation rows.
        quality: Metric -> value on the validation rows.
        interval: Metric -> 95 % interval, of the plan's metric.
        rows: The validation rows, with the columns that the file reads.
    """

    content: bytes
    model: OnnxModel
    predictions: Predictions
    quality: dict[str, float]
    interval: dict[str, tuple[float, float]]
    rows: Feeds

    @cached_property
    def stored(self) -> bytes:
        """Return the packed form of the file, made at the first read: packing takes longer than predicting."""
        return pack_model(self.content)


@dataclass(frozen=True, kw_only=True, slots=True)
class VariantComparison:
    """The comparison of a compressed file with fp32.

    Attributes:
        served: The compressed file.
        reference: The fp32 file, with the quality that the compressed file is compared with.
        agreement: Agreement of the predictions with fp32's.
        failed: A sentence for each gate that the compressed file misses.
        latencies: Latencies of the compressed file; None until it is timed.
        full_latencies: Latencies of fp32, measured in turns with ``latencies``.
    """

    served: ServedFile
    reference: ServedFile
    agreement: float
    failed: tuple[str, ...]
    latencies: Latencies | None = None
    full_latencies: Latencies | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidationBench:
    """Measures the files of one candidate on the validation rows.

    Attributes:
        artifacts: Receives the files.
        keys: Keys of the run.
        dataset: The data set.
        signature: Signature of the candidate.
        spec: Metric and gates.
        rows: The validation rows, as a served file reads them.
        edges: Edge rows made of them (evaluation.golden.edge_rows).
        truth: Labels or values of the validation rows.
        weight: Weight of each row; None: all count the same.
        probe: Measures the cost of loading a file.
        is_served_file: Whether the body is a complete served file, as for a brought model.
    """

    artifacts: ObjectStore
    keys: RunKeys
    dataset: Dataset
    signature: Signature
    spec: JobSpec
    rows: Feeds
    edges: Feeds
    truth: npt.NDArray[Any]
    weight: npt.NDArray[np.float64] | None
    probe: LoadProbe
    is_served_file: bool = False

    @property
    def metric(self) -> str:
        """Return the metric that candidates are compared by."""
        return choose_metric(self.spec.metric, self.dataset)

    def without(self, pruned: Collection[str]) -> ValidationBench:
        """Return the bench of files that do not take the ``pruned`` columns."""
        if not pruned:
            return self
        columns = tuple(column for column in self.dataset.columns if column.name not in pruned)
        return replace(
            self,
            dataset=self.dataset.model_copy(update={"columns": columns}),
            signature=replace(self.signature, columns=tuple(column.column for column in columns)),
            rows={name: values for name, values in self.rows.items() if name not in pruned},
            edges={name: values for name, values in self.edges.items() if name not in pruned},
        )

    def serve(self, body: bytes) -> bytes:
        """Return the served file that wraps a body."""
        wrapped = body
        if not self.is_served_file:
            wrapped = wrap(onnx.load_from_string(body), self.dataset, self.signature).SerializeToString()
        return apply_if_applicable(OrderTrees(), wrapped)

    def score(self, content: bytes) -> ServedFile:
        """Return a served file with its predictions and their quality; onnxruntime raises if it cannot predict."""
        model = OnnxModel(content)
        model.run(one_row(self.rows))
        predictions = model.run(self.rows)
        return ServedFile(
            content=content,
            model=model,
            predictions=predictions,
            quality=self._quality(predictions),
            interval=self._interval(predictions),
            rows=self.rows,
        )

    def compare(
        self,
        full: ServedFile,
        small: ServedFile,
        *,
        unseen: UnseenRows | None = None,
        max_quality_drop: float | None = None,
    ) -> VariantComparison:
        """Check the quality gates of ``small``; nothing is timed.

        Args:
            full: The fp32 file.
            small: The compressed file.
            unseen: Out-of-fold predictions of the validation rows, for models that learned from these rows. None: the
                files' own predictions are compared.
            max_quality_drop: Largest drop in quality, if stricter than that of the JobSpec.
        """
        difference = batch_difference(small.model, small.rows, small.predictions, self.signature)
        agreed = agreement(full.predictions, small.predictions, self.signature)
        if unseen is not None:
            quality = self._quality(unseen.full)
            if math.isfinite(quality[self.metric]):
                small = replace(small, quality=self._mean_quality(unseen.estimate(full.predictions, small.predictions)))
                full = replace(full, quality=quality, interval=self._interval(unseen.full))
        limits = self.spec.compression
        if max_quality_drop is not None:
            strictest = min(max_quality_drop, limits.max_quality_drop)
            limits = limits.model_copy(update={"max_quality_drop": strictest})
        failed = failed_quality_gates(
            Predicted(quality=full.quality, interval=full.interval),
            Predicted(quality=small.quality, agreement=agreed, batch_difference=difference),
            metric=self.metric,
            limits=limits,
        )
        return VariantComparison(served=small, reference=full, agreement=agreed, failed=failed)

    def _quality(self, predictions: Predictions) -> dict[str, float]:
        return measure(self.signature, self.truth, predictions, weight=self.weight)

    def _interval(self, predictions: Predictions) -> dict[str, tuple[float, float]]:
        return interval(self.signature, self.truth, predictions, weight=self.weight, only=self.metric)

    def _mean_quality(self, estimates: Iterable[Predictions]) -> dict[str, float]:
        """Return the mean quality of several estimates of a file's predictions."""
        qualities = [self._quality(predictions) for predictions in estimates]
        return {name: float(np.mean([quality[name] for quality in qualities])) for name in qualities[0]}

    def time(self, full: ServedFile, comparison: VariantComparison) -> VariantComparison:
        """Time a compared file in turns with ``full``, and check the cost gates."""
        small = comparison.served
        before, after = measure_latencies((full.model, small.model), (full.rows, small.rows))
        failed = failed_cost_gates(
            FileCost(bytes=len(full.stored), latency_us=before["1"].p50, columns=len(full.rows)),
            FileCost(bytes=len(small.stored), latency_us=after["1"].p50, columns=len(small.rows)),
            limits=self.spec.compression,
        )
        return replace(comparison, failed=(*comparison.failed, *failed), latencies=after, full_latencies=before)

    def latencies(self, served: ServedFile) -> Latencies:
        """Time a file by itself, not in turns with another one."""
        return measure_latencies((served.model,), (served.rows,))[0]

    def keep(self, served: ServedFile, latencies: Latencies) -> dict[str, Any]:
        """Store a file; return the fields of its variant for key, size, latency and cost of loading."""
        sha256 = hashlib.sha256(served.stored).hexdigest()
        key = artifact_key(self.keys.tenant, sha256)
        self.artifacts.put_if_absent(key, served.stored)
        artifact = Artifact(key=key, sha256=sha256, bytes=len(served.stored), onnx_bytes=len(served.content))
        return {
            "artifact": artifact,
            "latency_us": latencies["1"].p50,
            "latencies": latencies,
            **asdict(self.probe.measure(served.stored)),
        }
