"""The variants of trained candidates that compression makes for selection."""

from __future__ import annotations

import hashlib
from typing import Any, get_args

import numpy as np
import onnx
import pytest

from pipeline.codec.unpack import unpack
from pipeline.compression.make_variants import make_variants
from pipeline.compression.passes.quantization.dynamic_int8 import INTEGER_OPERATORS
from pipeline.compression.passes.quantization.static_int8 import StaticInt8
from pipeline.contracts.errors import ExportMismatchError, IntegrityError
from pipeline.contracts.object_keys import RunKeys, artifact_key
from pipeline.contracts.records.decision import Decision
from pipeline.contracts.records.outcome import TrainedCandidate
from pipeline.contracts.records.variant import Precision, Variant, VariantSet
from pipeline.contracts.spec.job_spec import Compression, JobSpec
from pipeline.evaluation.decision.temperature import calibrate
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.scoring import OnnxModel, feeds, truth
from pipeline.graphs.served_graph import wrap
from tests.fakes.objects import FakeObjectStore
from tests.helpers.trained_networks import Trained, trained, with_one_wrong_weight

KEYS = RunKeys("demo_wine_0123456789ab")
PATIENT = {"max_slowdown": 100.0}  # so that a busy machine fails no test


@pytest.fixture
def artifacts() -> FakeObjectStore:
    return FakeObjectStore()


def make(network: Trained, artifacts: FakeObjectStore, *candidates: TrainedCandidate, **compression: Any) -> VariantSet:
    return make_variants(
        candidates,
        artifacts=artifacts,
        keys=KEYS,
        dataset=network.dataset,
        validation=network.validation,
        spec=JobSpec(compression=Compression(**PATIENT | compression)),
        report=lambda _: None,
    )


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "diabetes"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_int8_file_of_a_small_network_passes_the_gates(name: str, seed: int, artifacts: FakeObjectStore) -> None:
    network = trained(name, seed=seed)
    full, small = make(network, artifacts, network.stored(artifacts, KEYS)).variants
    assert (full.precision, full.status, full.agreement) == ("fp32", "ok", None)
    assert (small.precision, small.status) == ("int8", "ok"), small.reason
    assert full.artifact is not None
    assert small.artifact is not None
    assert small.artifact.bytes < full.artifact.bytes
    assert small.agreement is not None
    assert small.agreement >= 0.97
    served = onnx.load_from_string(unpack(artifacts.get(small.artifact.key)))
    assert INTEGER_OPERATORS & {node.op_type for node in served.graph.node}
    assert [value.name for value in served.graph.input] == [column.name for column in network.dataset.columns]


def test_files_are_stored_under_their_sha256(artifacts: FakeObjectStore) -> None:
    network = trained("wine")
    for variant in make(network, artifacts, network.stored(artifacts, KEYS)).variants:
        assert variant.artifact is not None
        body = artifacts.get(variant.artifact.key)
        assert variant.artifact.key == artifact_key("demo", hashlib.sha256(body).hexdigest())
        assert (variant.artifact.sha256, variant.artifact.bytes) == (hashlib.sha256(body).hexdigest(), len(body))


def test_the_fp32_file_is_the_packed_export_and_is_measured_on_validation_rows(artifacts: FakeObjectStore) -> None:
    network = trained("wine")
    full = make(network, artifacts, network.stored(artifacts, KEYS)).variants[0]
    assert full.artifact is not None
    stored = artifacts.get(full.artifact.key)
    assert unpack(stored) == network.model
    assert (full.artifact.bytes, full.artifact.onnx_bytes) == (len(stored), len(network.model))
    assert len(stored) < len(network.model)
    right = [a == b for a, b in zip(network.answers.labels, network.validation["target"], strict=True)]
    assert full.quality["accuracy"] == pytest.approx(sum(right) / len(right))
    assert full.latency_us is not None
    assert full.latency_us > 0
    assert full.train_seconds == 1.5


def test_every_file_has_latencies_of_both_batch_sizes_and_load_costs(artifacts: FakeObjectStore) -> None:
    network = trained("breast_cancer")
    for variant in make(network, artifacts, network.stored(artifacts, KEYS)).variants:
        assert set(variant.latencies) == {"1", "64"}
        assert all(0 < latency.p50 <= latency.p99 for latency in variant.latencies.values())
        assert variant.latency_us == variant.latencies["1"].p50
        assert variant.load_ms is not None
        assert variant.memory_bytes is not None


def test_a_variant_of_an_earlier_version_is_read(artifacts: FakeObjectStore) -> None:
    network = trained("wine")
    variant = make(network, artifacts, network.stored(artifacts, KEYS), precisions=("fp32",)).variants[0]
    old = variant.model_dump(mode="json", exclude={"latencies", "load_ms", "memory_bytes"})
    assert Variant.model_validate(old).latencies == {}


def test_int8_is_not_applicable_without_matrices_and_the_reason_is_recorded(artifacts: FakeObjectStore) -> None:
    network = trained("wine")
    candidate = network.stored(artifacts, KEYS, "trees", no_int8="there are no weight matrices")
    full, absent = make(network, artifacts, candidate).variants
    assert full.status == "ok"
    assert (absent.status, absent.artifact, absent.precision) == ("not_applicable", None, "int8")
    assert absent.reason == "there are no weight matrices"


def test_the_reason_against_int8_is_recorded_when_passes_are_named(artifacts: FakeObjectStore) -> None:
    network = trained("breast_cancer")
    candidate = network.stored(artifacts, KEYS, "network", no_int8="there are no weight matrices")
    loose_gates = {"min_agreement": 0.5, "max_quality_drop": 1.0}
    _, pruned, absent = compress_with(network, artifacts, candidate, passes=("prune_channels",), **loose_gates).variants
    assert (pruned.precision, pruned.status) == ("fp32", "ok")
    assert (absent.precision, absent.status, absent.reason) == (
        "int8", "not_applicable", "there are no weight matrices",
    )  # fmt: skip


def test_only_requested_precisions_and_fp32_are_made(artifacts: FakeObjectStore) -> None:
    network = trained("wine")
    candidate = network.stored(artifacts, KEYS)
    assert [v.precision for v in make(network, artifacts, candidate, precisions=("fp32",)).variants] == ["fp32"]
    assert [v.precision for v in make(network, artifacts, candidate, precisions=("int8",)).variants] == ["fp32", "int8"]


def test_a_file_that_fails_a_gate_is_rejected_with_the_numbers(artifacts: FakeObjectStore) -> None:
    network = trained("diabetes")
    small = make(network, artifacts, network.stored(artifacts, KEYS), min_agreement=1.0).variants[1]
    assert small.status == "rejected"
    assert small.reason.startswith("its agreement with fp32 is ")
    assert small.artifact is not None


def test_int8_is_rejected_for_a_network_that_is_too_small_to_gain(artifacts: FakeObjectStore) -> None:
    network = trained("wine", hidden=(4,))
    full, small = make(network, artifacts, network.stored(artifacts, KEYS)).variants
    assert (full.status, small.status) == ("ok", "rejected")
    assert "neither smaller nor faster" in small.reason


def test_a_codebook_file_is_smaller_than_fp16_and_passes_the_gates(artifacts: FakeObjectStore) -> None:
    network = trained("breast_cancer")
    candidate = network.stored(artifacts, KEYS)
    full, half, shared = make(network, artifacts, candidate, precisions=("fp32", "fp16", "codebook")).variants
    assert [variant.precision for variant in (full, half, shared)] == ["fp32", "fp16", "codebook"]
    assert [variant.status for variant in (full, half, shared)] == ["ok", "ok", "ok"]
    sizes = [variant.artifact.bytes for variant in (full, half, shared) if variant.artifact]
    assert sizes == sorted(sizes, reverse=True)
    assert 1.5 * sizes[2] < sizes[0]
    assert "values per tensor" in shared.reason
    assert shared.quality["log_loss"] == pytest.approx(full.quality["log_loss"], rel=0.05)


def test_one_wrong_weight_fails_the_only_candidate_as_a_mismatch(artifacts: FakeObjectStore) -> None:
    network = trained("breast_cancer")
    candidate = network.stored(artifacts, KEYS, model=with_one_wrong_weight(network.model))
    with pytest.raises(ExportMismatchError, match="differ from the trained model's"):
        make(network, artifacts, candidate)


def test_one_wrong_weight_rejects_its_candidate_and_not_the_others(artifacts: FakeObjectStore) -> None:
    network = trained("breast_cancer")
    bad = network.stored(artifacts, KEYS, "bad", model=with_one_wrong_weight(network.model))
    good = network.stored(artifacts, KEYS, "good")
    rejected, *others = make(network, artifacts, bad, good).variants
    assert (rejected.candidate, rejected.status, rejected.artifact) == ("bad", "rejected", None)
    assert "differ from the trained model's" in rejected.reason
    assert [(variant.candidate, variant.status) for variant in others] == [("good", "ok"), ("good", "ok")]


def test_a_file_without_the_recorded_sha256_is_refused(artifacts: FakeObjectStore) -> None:
    network = trained("wine")
    candidate = network.stored(artifacts, KEYS, model_sha256="0" * 64)
    with pytest.raises(IntegrityError, match="mlp is not the one that training recorded"):
        make(network, artifacts, candidate)


def test_the_same_candidates_give_the_same_files(artifacts: FakeObjectStore) -> None:
    network = trained("wine")
    candidate = network.stored(artifacts, KEYS)
    first, second = (make(network, artifacts, candidate).variants for _ in range(2))
    assert [variant.artifact for variant in first] == [variant.artifact for variant in second]


def test_each_step_is_reported(artifacts: FakeObjectStore) -> None:
    network, reports = trained("wine"), []
    make_variants(
        [network.stored(artifacts, KEYS)],
        artifacts=artifacts,
        keys=KEYS,
        dataset=network.dataset,
        validation=network.validation,
        spec=JobSpec(),
        report=reports.append,
    )
    assert reports == ["mlp: verify", "mlp: int8"]


def test_a_body_that_cannot_be_quantized_keeps_the_fp32_file(artifacts: FakeObjectStore) -> None:
    network = trained("wine")
    candidate = network.stored(artifacts, KEYS)
    artifacts.put(KEYS.candidate("mlp", "body.onnx"), b"no graph")
    full, absent = make(network, artifacts, candidate).variants
    assert full.status == "ok"
    assert absent.status == "not_applicable"
    assert absent.reason.startswith("it could not be built or run")


def test_the_interval_of_a_bag_shifts_with_the_quality_of_the_small_file(artifacts: FakeObjectStore) -> None:
    network = trained("wine")
    plain = make(network, artifacts, network.stored(artifacts, KEYS)).variants
    quality_changes = {name: plain[1].quality[name] - value for name, value in plain[0].quality.items()}
    assert abs(quality_changes["log_loss"]) > 0
    bag = network.stored(
        artifacts,
        KEYS,
        quality=dict.fromkeys(quality_changes, 0.5),
        interval={"log_loss": (0.4, 0.6)},
        folds=5,
    )
    full, small = make(network, artifacts, bag).variants
    assert full.interval == {"log_loss": (0.4, 0.6)}
    assert small.quality["log_loss"] == pytest.approx(0.5 + quality_changes["log_loss"])
    assert small.interval["log_loss"] == pytest.approx(
        (0.4 + quality_changes["log_loss"], 0.6 + quality_changes["log_loss"])
    )


def test_a_bag_has_no_metric_that_applies_only_to_the_validation_rows(
    artifacts: FakeObjectStore,
) -> None:
    network = trained("diabetes")
    (full, *_) = make(network, artifacts, network.stored(artifacts, KEYS)).variants
    assert "rmsle" in full.quality
    of_all_rows = {name: 0.5 for name in full.quality if name != "rmsle"}  # another row has a value of -1 or less
    (full, *_) = make(network, artifacts, network.stored(artifacts, KEYS, quality=of_all_rows, folds=5)).variants
    assert (full.status, full.quality) == ("ok", of_all_rows)


def test_every_file_has_the_candidates_temperature_and_threshold(artifacts: FakeObjectStore) -> None:
    network = trained("breast_cancer")
    decision = Decision(temperature=2.5, threshold=0.2)
    signature = network.dataset.signature_of((), (), decision)
    body = onnx.load_from_string(network.body)
    model = wrap(body, network.dataset, signature).SerializeToString()
    variants = make(network, artifacts, network.stored(artifacts, KEYS, model=model, decision=decision)).variants
    wanted = calibrate(network.predicted, 2.5)
    for variant in (variant for variant in variants if variant.status == "ok"):
        assert variant.artifact is not None
        assert variant.decision == decision
        predictions = OnnxModel(unpack(artifacts.get(variant.artifact.key))).run(feeds(network.validation, signature))
        assert np.abs(predictions.probabilities - wanted).max() < (1e-4 if variant.precision == "fp32" else 0.1)
        is_positive = predictions.probabilities[:, 1] >= np.float32(0.2)
        assert (predictions.labels == network.dataset.classes[1]).tolist() == is_positive.tolist()
    assert {variant.precision for variant in variants if variant.status == "ok"} >= {"fp32", "int8"}


def test_a_file_without_the_recorded_temperature_is_a_mismatch(
    artifacts: FakeObjectStore,
) -> None:
    network = trained("breast_cancer")
    with pytest.raises(ExportMismatchError, match="differ from the trained model's"):
        make(network, artifacts, network.stored(artifacts, KEYS, decision=Decision(temperature=2.5)))


def compress_with(
    network: Trained, artifacts: FakeObjectStore, *candidates: TrainedCandidate, **compression: Any
) -> VariantSet:
    """Make variants like ``make``, with rows for calibration and fine-tuning; by default of an MLP."""
    return make_variants(
        candidates or [network.stored(artifacts, KEYS)],
        artifacts=artifacts,
        keys=KEYS,
        dataset=network.dataset,
        validation=network.validation,
        spec=JobSpec(compression=Compression(**PATIENT | compression)),
        report=lambda _: None,
        read_training=lambda: network.validation,
    )


def test_passes_are_applied_in_order_before_each_precision(artifacts: FakeObjectStore) -> None:
    network = trained("breast_cancer")
    passes = ("prune_channels",)
    full, pruned, small = compress_with(
        network, artifacts, passes=passes, precisions=("fp32", "int8"), min_agreement=0.5, max_quality_drop=1.0
    ).variants
    assert [variant.name for variant in (full, pruned, small)] == [
        "mlp/fp32", "mlp/prune_channels", "mlp/prune_channels+int8",
    ]  # fmt: skip
    assert (full.passes, pruned.passes) == ((), passes)
    assert small.passes[0] == "prune_channels"
    assert len(small.passes) == 2
    assert pruned.status == "ok", pruned.reason
    sizes = [variant.artifact.bytes for variant in (full, pruned, small) if variant.artifact]
    assert sizes == sorted(sizes, reverse=True)


def test_a_pass_that_quantizes_sets_the_precision(artifacts: FakeObjectStore) -> None:
    variants = compress_with(trained("breast_cancer"), artifacts, passes=("static_int8",)).variants
    assert [(variant.name, variant.precision) for variant in variants] == [("mlp/fp32", "fp32"), ("mlp/int8", "int8")]
    assert variants[1].passes == ("static_int8",)


def test_every_precision_has_a_variant(artifacts: FakeObjectStore) -> None:
    precisions = get_args(Precision)
    variants = compress_with(trained("breast_cancer"), artifacts, precisions=precisions).variants
    assert {variant.precision for variant in variants} == set(precisions)
    assert {variant.status for variant in variants} <= {"ok", "rejected"}
    assert len({variant.name for variant in variants}) == len(variants)


def test_a_pass_that_cannot_fine_tune_makes_its_variant_not_applicable(artifacts: FakeObjectStore) -> None:
    network = trained("wine")  # too few rows
    full, pruned = compress_with(network, artifacts, passes=("prune_magnitude",), precisions=("fp32",)).variants
    assert (full.status, pruned.status, pruned.name) == ("ok", "not_applicable", "mlp/prune_magnitude")
    assert "training rows" in pruned.reason


def test_no_variant_is_started_after_the_time_limit(artifacts: FakeObjectStore) -> None:
    full, *others = compress_with(trained("wine"), artifacts, minutes=1e-9).variants
    assert full.status == "ok"
    assert {variant.status for variant in others} == {"not_applicable"}
    assert all("compression.minutes" in variant.reason for variant in others)


def measured_by_folds(network: Trained, log_loss: float) -> dict[str, Any]:
    """Return the fields of a bag whose out-of-fold log loss is given."""
    signature = network.dataset.signature
    quality = measure(signature, truth(network.validation, signature), network.answers)
    return {"quality": quality | {"log_loss": log_loss}, "interval": {"log_loss": (0.0, 1.0)}, "folds": 5}


def make_two(artifacts: FakeObjectStore, **spec: Any) -> tuple[list[Variant], list[str]]:
    """Return the variants of candidates with log losses of 0.3 and 0.2, and the reports."""
    network, reports = trained("breast_cancer"), list[str]()
    worse, better = (
        network.stored(artifacts, KEYS, name, **measured_by_folds(network, log_loss))
        for name, log_loss in (("worse", 0.3), ("better", 0.2))
    )
    variant_set = make_variants(
        [worse, better],
        artifacts=artifacts,
        keys=KEYS,
        dataset=network.dataset,
        validation=network.validation,
        spec=JobSpec.model_validate({"compression": PATIENT} | spec),
        report=reports.append,
    )
    return list(variant_set.variants), reports


def test_the_best_candidate_is_compressed_first_and_a_far_worse_one_not_at_all(artifacts: FakeObjectStore) -> None:
    variants, reports = make_two(artifacts)
    assert [(variant.name, variant.status) for variant in variants] == [
        ("worse/fp32", "ok"), ("worse/int8", "not_applicable"), ("better/fp32", "ok"), ("better/int8", "ok"),
    ]  # fmt: skip
    assert reports[0] == "better: verify"
    assert "0.3, is 9.52% worse than the best, better's 0.2" in variants[1].reason


@pytest.mark.parametrize(
    "spec", [{"limits": {"max_bytes": 10_000}}, {"compression": {**PATIENT, "passes": ["static_int8"]}}]
)
def test_all_candidates_are_compressed_with_a_limit_or_with_named_passes(
    spec: dict[str, Any], artifacts: FakeObjectStore
) -> None:
    variants, _ = make_two(artifacts, **spec)
    assert not any(variant.reason.startswith("not tried") for variant in variants)


def test_a_pass_that_fails_makes_its_variant_not_applicable_and_the_run_continues(
    artifacts: FakeObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out_of_memory(_: object, model: bytes) -> None:
        raise MemoryError

    monkeypatch.setattr(StaticInt8, "call", run_out_of_memory)
    full, small = compress_with(trained("breast_cancer"), artifacts, passes=("static_int8",)).variants
    assert (full.status, small.status) == ("ok", "not_applicable")
    assert "MemoryError" in small.reason
    full, small = compress_with(trained("breast_cancer"), artifacts).variants  # another int8 pass is tried
    assert (small.status, small.passes) == ("ok", ("dynamic_int8",))
