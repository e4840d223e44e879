"""Resolve ``training.base_model`` to a version and the description of its network."""

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

_REFERENCE = re.compile(
    r"(?P<tenant>[a-z0-9-]{1,32})/(?P<model>[A-Za-z0-9_.-]{1,32})(?:@(?P<selector>[A-Za-z0-9_-]{1,32}))?"
)
_FIELD = "train.yaml: training.base_model"


def resolve_base_model(reference: str, *, tenant: str, registry: ModelRegistry, artifacts: ObjectStore) -> Base:
    """Resolve a reference to a model version of the tenant.

    Args:
        reference: ``tenant/model``, ``tenant/model@alias`` or ``tenant/model@number``; without a selector the live
            version.
        tenant: Tenant of the run; the model must belong to it.
        registry: Registry of models.
        artifacts: Bucket that holds the version's training artifacts.

    Raises:
        InvalidJobSpecError: The reference names no version of this tenant, or a version that is not a network.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise InvalidJobSpecError(
            f"{_FIELD}: '{reference[:80]}' is not a model version: expected {tenant}/MODEL, {tenant}/MODEL@live or "
            f"{tenant}/MODEL@3"
        )
    if match["tenant"] != tenant:
        raise InvalidJobSpecError(f"{_FIELD}: '{reference}' is not a model of this tenant: expected '{tenant}/...'")
    version_record = _version(registry, tenant, match["model"], match["selector"] or "live")
    version = f"{tenant}/{version_record.model}@{version_record.version}"
    keys = RunKeys(version_record.lineage.run)
    try:
        candidate = Selection.from_bytes(artifacts.get(keys.selection)).winner.candidate
        artifacts.head(keys.candidate(candidate, WEIGHTS))
        trained = TrainedCandidate.from_bytes(artifacts.get(keys.candidate(candidate, TRAINED)))
        dataset = Dataset.from_bytes(artifacts.get(keys.dataset))
        earlier = Plan.from_bytes(artifacts.get(keys.plan)).base
    except ObjectNotFoundError as error:
        raise InvalidJobSpecError(
            f"{_FIELD}: {version} is a {version_record.algorithm}, which has no weights to continue from: a network "
            "is expected"
        ) from error
    return Base(
        version=version,
        run=version_record.lineage.run,
        built_from=earlier.built_from if earlier and trained.settings.get("base_model") else version_record.lineage.run,
        candidate=candidate,
        algorithm=trained.algorithm,
        task=dataset.task,
        classes=dataset.classes,
        settings=trained.settings,
        columns=dataset.columns,
    )


def _version(registry: ModelRegistry, tenant: str, model: str, selector: str) -> ModelVersion:
    try:
        if selector.isdigit():
            return registry.get(tenant, model, int(selector))
        return registry.live(tenant, model, alias=selector)
    except NotFoundError as error:
        raise InvalidJobSpecError(f"{_FIELD}: {error.message}") from error
