"""Variants like those of a model card, and golden rows that the fake API predicts."""

from __future__ import annotations

from typing import Any

from pipeline.contracts.records.model_version import GoldenPredictions
from pipeline.contracts.records.variant import Latency
from pipeline.contracts.records.variant_report import VariantReport

__all__ = ["GOLDEN", "VARIANT_REPORTS", "YES", "variant_report"]

YES = {"label": "yes", "probabilities": {"no": 0.1, "yes": 0.9}}
GOLDEN = GoldenPredictions(rows=({"width": 1.5}, {"width": None}), predictions=(YES, YES))


def variant_report(name: str, *, quality: float = 0.9, **changes: Any) -> VariantReport:
    candidate, _, precision = name.partition("/")
    fields: dict[str, Any] = {
        "rank": 1,
        "name": name,
        "candidate": candidate,
        "algorithm": candidate,
        "precision": precision,
        "status": "ok",
        "quality": {"accuracy": quality},
        "interval": {"accuracy": (quality - 0.01, quality + 0.01)},
        "latency_us": 20.0,
        "latencies": {"1": Latency(p50=20, p99=31), "64": Latency(p50=140, p99=180)},
        "bytes": 1000,
        "onnx_bytes": 4000,
        "load_ms": 1.5,
        "memory_bytes": 70_000,
    }
    return VariantReport.model_validate(fields | changes)


VARIANT_REPORTS = (
    variant_report("mlp/fp32", quality=0.91, bytes=9000, on_front=True, reason="it costs 0.70% of the accuracy"),
    variant_report("mlp/int8", quality=0.909, bytes=2400, latency_us=15.0, on_front=True, winner=True, agreement=0.995),
    variant_report("linear/fp32", quality=0.86, bytes=300, latency_us=8.0, on_front=True, reason="a worse candidate"),
    variant_report("trees/fp32", quality=0.89, bytes=50_000, latency_us=60.0, reason="mlp/fp32 is better"),
    variant_report("mlp/codebook", status="rejected", rank=None, reason="agreement 0.9"),
    VariantReport(
        rank=None, candidate="trees", algorithm="trees", precision="int8", status="not_applicable", reason="no matrices"
    ),
)
