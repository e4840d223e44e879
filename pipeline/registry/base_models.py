"""``training.base_model`` -> the version that it names, and what is known of its network."""

from __future__ import annotations

import re

from pipeline.contracts.errors import InvalidJobSpecError, NotFoundError, ObjectNotFoundError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.base_model import Base
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.model_version import ModelVersion
from pipeline.contracts.records.outcome import TRAINED, WEIGHTS, TrainedCandidate
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.variant import Selection
from pipeline.registry.model_registry import ModelRegistry

__all__ = ["resolve_base_model"]

_NAMED = re.compile(r"(?P<tenant>[a-z0-9-]{1,32})/(?P<model>[A-Za-z0-9_.-]{1,32})(?:@(?P<which>[A-Za-z0-9_-]{1,32}))?")
_FIELD = "train.yaml: training.base_model"


def resolve_base_model(wanted: str, *, tenant: str, registry: ModelRegistry, artifacts: ObjectStore) -> Base:
    """``wanted``: tenant/model, with @alias or @number (without: the live one). Of ``tenant`` alone.

    Raise InvalidJobSpecError when it names no version of this tenant's, or one that is no network.
    """
    named = _NAMED.fullmatch(wanted)
    if named is None:
        raise InvalidJobSpecError(
            f"{_FIELD}: '{wanted[:80]}' names no version: {tenant}/model@live, or @3, is expected"
        )
    if named["tenant"] != tenant:
        raise InvalidJobSpecError(
            f"{_FIELD}: '{wanted}' is not a model of this tenant: one of '{tenant}/...' is expected"
        )
    found = _version(registry, tenant, named["model"], named["which"] or "live")
    version = f"{tenant}/{found.model}@{found.version}"
    keys = RunKeys.of(found.lineage.run)
    try:
        candidate = Selection.from_bytes(artifacts.get(keys.selection)).winner.candidate
        artifacts.head(keys.candidate(candidate, WEIGHTS))
        trained = TrainedCandidate.from_bytes(artifacts.get(keys.candidate(candidate, TRAINED)))
        dataset = Dataset.from_bytes(artifacts.get(keys.dataset))
        earlier = Plan.from_bytes(artifacts.get(keys.plan)).base
    except ObjectNotFoundError as error:
        raise InvalidJobSpecError(
            f"{_FIELD}: {version} is a {found.algorithm}, of which no weights are kept to go on from: a version that "
            "is a network is expected"
        ) from error
    return Base(
        version=version,
        run=found.lineage.run,
        built_from=earlier.built_from if earlier and trained.settings.get("base_model") else found.lineage.run,
        candidate=candidate,
        algorithm=trained.algorithm,
        task=dataset.task,
        classes=dataset.classes,
        settings=trained.settings,
        columns=dataset.columns,
    )


def _version(registry: ModelRegistry, tenant: str, model: str, which: str) -> ModelVersion:
    try:
        if which.isdigit():
            return registry.get(tenant, model, int(which))
        return registry.live(tenant, model, alias=which)
    except NotFoundError as error:
        raise InvalidJobSpecError(f"{_FIELD}: {error.message}") from error
