"""Read the job spec from the upload's train.yaml and the object's metadata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.run import Upload
from pipeline.contracts.spec.job_spec import JobSpec, parse_job_spec
from pipeline.contracts.upload_metadata import read_target
from pipeline.validation.companions.reading import read_companion
from pipeline.validation.limits import MAX_SPEC_BYTES

__all__ = ["ResolvedSpec", "override_target", "read_spec"]

_NAMES = ("train.yaml", "train.yml")


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedSpec:
    """Settings of train.yaml and the object's metadata, with warnings."""

    spec: JobSpec
    warnings: tuple[str, ...] = ()


def read_spec(upload: Upload, uploads: ObjectStore) -> ResolvedSpec:
    """Read train.yaml; a target in the object's metadata overrides the target of train.yaml.

    Raises:
        InvalidJobSpecError: train.yaml cannot be read, or has settings for another target.
    """
    content = read_companion(upload, uploads, _NAMES, max_bytes=MAX_SPEC_BYTES, error=InvalidJobSpecError)
    spec = JobSpec() if content is None else parse_job_spec(content)
    return override_target(spec, read_target(upload.metadata))


def override_target(spec: JobSpec, target: str) -> ResolvedSpec:
    """Override the target of train.yaml with a target that was named explicitly.

    Args:
        spec: Settings of train.yaml.
        target: Target of --target or the object's metadata; empty: none was named.

    Raises:
        InvalidJobSpecError: train.yaml has settings that apply only to its own target, or uses the column otherwise.
    """
    spec_target = spec.target_label
    if not target or spec_target is None or spec_target.strip() == target:
        return ResolvedSpec(spec=spec.model_copy(update={"target": target, "targets": ()}) if target else spec)
    if conflicts := list(_find_conflicts(spec, target)):
        raise InvalidJobSpecError(
            f"--target (or the object's metadata) asks for '{target}', and train.yaml is made for "
            f"'{spec_target}' ({', '.join(conflicts)}): settings for '{target}' are expected (--spec), or no --target"
        )
    return ResolvedSpec(
        spec=spec.model_copy(update={"target": target, "targets": ()}),
        warnings=(
            f"the target is '{target}', as --target (or the object's metadata) says, not '{spec_target}', as "
            "train.yaml says",
        ),
    )


def _find_conflicts(spec: JobSpec, target: str) -> Iterator[str]:
    """Yield settings that apply only to the target of ``spec``, or that use the column ``target`` in another role."""
    training = spec.training
    settings = {
        "task": spec.task,
        "metric": spec.metric,
        "training.loss": training.loss,
        "training.quantiles": training.quantiles and list(training.quantiles),
        "training.class_weights": training.class_weights if isinstance(training.class_weights, dict) else None,
        "limits.min_quality": spec.limits.min_quality,
        "weight": spec.weight if spec.weight == target else None,
        "split.column": spec.split.column if spec.split.column == target else None,
        "drop": [target] if target in spec.drop else None,
        "segments": [target] if target in spec.segments else None,
    }
    yield from (f"{field}: {value}" for field, value in settings.items() if value is not None)
