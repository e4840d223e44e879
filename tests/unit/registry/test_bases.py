"""Resolution of ``training.base_model`` to a version."""

from __future__ import annotations

import pytest

from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.base_model import Base
from pipeline.contracts.records.outcome import TRAINED, WEIGHTS, TrainedCandidate
from pipeline.contracts.records.plan import Plan
from pipeline.registry.aliases import AliasRef
from pipeline.registry.base_models import resolve_base_model
from pipeline.registry.model_registry import ModelRegistry
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import MODEL_BYTES, artifact, dataset, model_version, selection
from tests.fakes.table import FakeTable

RUN = "demo_adult_000000000001"
KEYS = RunKeys(RUN)


class Kept:
    """A live version 1 of demo/adult with the documents of its run."""

    def __init__(self, *, weights: bool = True, first: Base | None = None) -> None:
        self.artifacts = FakeObjectStore()
        self.registry = ModelRegistry(FakeTable(), self.artifacts)
        self.artifacts.put(artifact().key, MODEL_BYTES)
        self.artifacts.put(KEYS.selection, selection().to_bytes())
        self.artifacts.put(KEYS.plan, Plan(metric="accuracy", candidates=(), jobs=(), base=first).to_bytes())
        self.artifacts.put(KEYS.dataset, dataset().to_bytes())
        trained = TrainedCandidate(
            candidate="mlp",
            algorithm="mlp",
            device="cpu",
            seconds=1,
            quality={},
            tolerance=1e-4,
            settings={"hidden": (8,), "base_model": "demo/first@1"},
            model_sha256="a" * 64,
        )
        self.artifacts.put(KEYS.candidate("mlp", TRAINED), trained.to_bytes())
        if weights:
            self.artifacts.put(KEYS.candidate("mlp", WEIGHTS), b"weights")
        version = self.registry.register(model_version(RUN)).version
        self.registry.ready("demo", "adult", version)
        self.registry.aliases.move(AliasRef("demo", "adult"), version, by="a test")

    def find(self, reference: str) -> Base:
        return resolve_base_model(reference, tenant="demo", registry=self.registry, artifacts=self.artifacts)


@pytest.mark.parametrize("reference", ["demo/adult", "demo/adult@live", "demo/adult@1"])
def test_an_alias_or_a_number_resolves_to_the_version(reference: str) -> None:
    base = Kept().find(reference)
    assert (base.version, base.run, base.candidate) == ("demo/adult@1", RUN, "mlp")
    assert (base.algorithm, base.settings["hidden"]) == ("mlp", (8,))
    assert base.columns == dataset().columns


@pytest.mark.parametrize(
    ("reference", "facts"),
    [
        ("adult", ("'adult'", "demo/MODEL@live")),
        ("other/adult@live", ("'other/adult@live'", "'demo/...'")),
        ("demo/adult@9", ("'adult'", "version 9")),
        ("demo/adult@best", ("'adult'", "alias 'best'")),
        ("demo/nothing", ("'nothing'", "alias 'live'")),
    ],
)
def test_a_reference_to_no_version_of_the_tenant_is_refused(reference: str, facts: tuple[str, str]) -> None:
    with pytest.raises(InvalidJobSpecError, match=r"train\.yaml: training\.base_model: ") as raised:
        Kept().find(reference)
    assert all(fact in raised.value.message for fact in facts)


def test_a_fine_tuned_base_keeps_the_run_of_the_first_base() -> None:
    own = Kept().find("demo/adult")
    assert own.built_from == RUN
    first = own.model_copy(update={"version": "demo/first@1", "run": "demo_first_2", "built_from": "demo_first_1"})
    assert Kept(first=first).find("demo/adult").built_from == "demo_first_1"


def test_a_version_without_weights_is_refused_as_a_base() -> None:
    with pytest.raises(InvalidJobSpecError, match=r"demo/adult@1 is a mlp.* no weights"):
        Kept(weights=False).find("demo/adult")
