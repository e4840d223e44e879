"""Check an upload before it starts: what its run would refuse, its settings, earlier uploads of the same bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.terminal.console import err
from pipeline.cli.terminal.exit_codes import message
from pipeline.cli.views.tables import size
from pipeline.cli.views.target import learning_lines
from pipeline.contracts.errors import InputError, InvalidColumnsError
from pipeline.contracts.object_keys import COMPANIONS, MODEL_CODE, UploadKey
from pipeline.contracts.spec.job_spec import JobSpec, parse_job_spec

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection
    from pipeline.cli.upload.check import Check

__all__ = ["SETTINGS", "PlannedUpload", "check_companion", "not_uploaded", "precheck", "precheck_files"]

SETTINGS = COMPANIONS[:2]
MAX_CHECKED_BYTES = 8 << 20  # unpacked, read in at most two seconds; of larger data only the first rows are read
_MAX_NAMED = 5
_GROWTH = {".gz": 5, ".parquet": 5}  # usual compression ratios


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedUpload:
    """An upload to come; ``key`` starts the run, ``files`` are the data file or the part files."""

    key: UploadKey
    files: Sequence[Path]
    companions: Sequence[Path] = ()
    spec: Path | None = None
    target: str | None = None

    @property
    def own_settings(self) -> Path | None:
        """Return the train.yaml that is uploaded with the data."""
        return self.spec or next((file for file in self.companions if file.name in SETTINGS), None)


def precheck(upload: PlannedUpload, connection: Connection, *, check: bool, watch: bool) -> None:
    """Print an upload's settings, and stop one that its run would refuse.

    Args:
        upload: The planned upload.
        connection: The stack of the upload.
        check: Whether to read the data as the run will.
        watch: Whether the run is watched: then the run reports what it learns.

    Raises:
        InputError: The run would refuse the data or its settings.
    """
    with tempfile.TemporaryDirectory(prefix="modeldrop-") as scratch:
        stored = _fetch_stored(upload.key, connection, Path(scratch))
        checked = precheck_files(upload, stored, check=check, watch=watch)
    _print_same_file(upload, connection, checked)


def precheck_files(upload: PlannedUpload, stored: Sequence[Path], *, check: bool, watch: bool) -> Check | None:
    """Print an upload's settings, and stop one that its run would refuse, with local files only.

    Args:
        upload: The planned upload.
        stored: Companions of earlier drops.
        check: Whether to read the data as the run will.
        watch: Whether the run is watched: then the run reports what it learns.

    Returns:
        What the run will learn; None if it was not checked.

    Raises:
        InputError: The run would refuse the data or its settings.
    """
    checked: Check | None = None
    try:
        spec = _print_settings(upload, stored)
        if check:
            checked = _check(upload, stored, spec)
    except InputError as error:
        if check:
            raise _not_uploaded(error, upload) from error
        message(error.message, style="yellow")
    if checked is not None and not watch:
        for line in learning_lines(checked.learning):
            message(line.plain, style="yellow" if line.style else None)
    return checked


def check_companion(file: Path) -> None:
    """Check a companion of an upload.

    Raises:
        InputError: No run could read the file: settings, code or test rows.
    """
    from pipeline.validation.companions.model_code import check_code
    from pipeline.validation.readers.formats import find_format

    if file.name in SETTINGS:
        parse_job_spec(file.read_bytes())
    elif file.name == MODEL_CODE:
        check_code(file.read_bytes())
    elif file.name not in COMPANIONS:
        find_format(file.name)


def not_uploaded(error: InputError, sentence: str = "") -> InputError:
    """Return the same error with the note that nothing was uploaded.

    Args:
        error: The error.
        sentence: Message that replaces the error's; empty to keep the error's.
    """
    return type(error)(f"{sentence or error.message} (nothing was uploaded; --no-check uploads it anyway)")


def _fetch_stored(key: UploadKey, connection: Connection, scratch: Path) -> list[Path]:
    """Download companions of earlier drops from the model's folder, except large ones."""
    uploads, folder = connection.uploads, key.sibling("")
    keys = [stored_key for start in ("train.y", MODEL_CODE, "test.") for stored_key in uploads.keys(f"{folder}{start}")]
    files = []
    for stored_key in keys:
        name = stored_key.removeprefix(folder)
        if (name in COMPANIONS or name.startswith("test.")) and uploads.head(stored_key).bytes <= MAX_CHECKED_BYTES:
            uploads.download(stored_key, scratch / name)
            files.append(scratch / name)
    return files


def _print_settings(upload: PlannedUpload, stored: Sequence[Path]) -> JobSpec:
    """Print which train.yaml is used if none was named, and which target wins; return the resulting settings."""
    from pipeline.validation.companions.job_spec_file import override_target

    earlier = next((file for name in SETTINGS for file in stored if file.name == name), None)
    settings = upload.own_settings or earlier
    spec = parse_job_spec(settings.read_bytes()) if settings else JobSpec()
    override = override_target(spec, (upload.target or "").strip())
    wins = f"--target {override.spec.target} overrides its target, {spec.target_label}" if override.warnings else ""
    if settings is None:
        return override.spec
    if upload.own_settings is None:
        target = f" (target: {spec.target_label})" if spec.target_label and not wins else ""
        message(f"using train.yaml from your earlier drop{f'; {wins}' if wins else target}", style="yellow")
    elif wins:
        message(f"{settings.name}: {wins}", style="yellow")
    return override.spec


def _check(upload: PlannedUpload, stored: Sequence[Path], spec: JobSpec) -> Check | None:
    from pipeline.cli.upload.check import check_drop
    from pipeline.cli.upload.column_names import check_names
    from pipeline.validation.readers.formats import find_format

    for file in upload.files:
        find_format(file.name)
    total = sum(_unpacked_bytes(file) for file in (*upload.files, *upload.companions, *stored))
    if total > MAX_CHECKED_BYTES:
        scope = "only settings and names of columns were" if check_names(upload.files[0], spec) else "not"
        message(
            f"{scope} checked before the upload: more than {size(MAX_CHECKED_BYTES)} of data ('modeldrop check' reads "
            "it)",
            style="dim",
        )
        return None
    console = err()
    with console.status(f"checking {upload.key.display_name}"):  # prints nothing without a terminal
        return check_drop(
            upload.files,
            dataset=upload.key.dataset,
            companions=upload.companions,
            stored=stored,
            spec=upload.spec,
            target=upload.target,
        )


def _unpacked_bytes(file: Path) -> int:
    growth = next((times for ending, times in _GROWTH.items() if file.name.lower().endswith(ending)), 1)
    return file.stat().st_size * growth


def _not_uploaded(error: InputError, upload: PlannedUpload) -> InputError:
    """Add to an error that nothing was uploaded."""
    sentence = error.message
    if isinstance(error, InvalidColumnsError) and len(upload.files) > 1:
        names = [file.name for file in upload.files]
        more = f" and {len(names) - _MAX_NAMED:,} more" if len(names) > _MAX_NAMED else ""
        sentence = f"{', '.join(names[:_MAX_NAMED])}{more} cannot be one data set: {sentence}"
    return not_uploaded(error, sentence)


def _print_same_file(upload: PlannedUpload, connection: Connection, checked: Check | None) -> None:
    """Print which version was made from the same bytes; they are trained again."""
    from pipeline.validation.readers.source import hash_files

    versions = connection.registry.versions.list(upload.key.tenant, upload.key.model)
    if not versions:
        return
    several = upload.key.dataset is not None
    files = [file for file in upload.files if file.stat().st_size] or upload.files
    sha256 = checked.sha256 if checked else hash_files({file.name: file for file in files}, several=several)
    same = [version.version for version in versions if version.lineage.upload_sha256 == sha256]
    if same:
        message(f"same file as version {same[-1]}; it is trained again", style="yellow")
