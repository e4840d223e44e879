"""Upload a file with an API key, without AWS credentials."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

from pipeline.cli.client.key_api import KeyApi
from pipeline.cli.input.folders import FolderContents, confirm, large_reasons, name_files, zip_images
from pipeline.cli.terminal.exit_codes import message
from pipeline.cli.upload.model_check import check_model_file
from pipeline.cli.upload.precheck import SETTINGS, PlannedUpload, check_companion, precheck_files
from pipeline.cli.upload.upload import DropOptions, model_of, show_progress
from pipeline.cli.views.tables import size
from pipeline.contracts.object_keys import CALIBRATION, check_file

__all__ = ["drop_by_key"]


def drop_by_key(path: Path, api: KeyApi, options: DropOptions) -> str | None:
    """Upload a file or a folder of images, after its settings.

    Companions of earlier drops are not checked: the API does not list uploads.

    Args:
        path: A data file, a companion, or a folder of images.
        api: The stack's API.
        options: Model, target, settings; the tenant is the key's.

    Returns:
        The name of the run that the upload starts; None for a companion.

    Raises:
        InputError: The name is invalid, or the run would refuse the data.
        typer.BadParameter: The path is a folder of part files, or the upload must be confirmed.
        ModeldropError: The API or the bucket refused the upload.
    """
    if path.is_dir():
        return _drop_folder(path, api, options)
    confirm(large_reasons([path]), confirmed=options.confirmed)
    return _drop_file(path, (), api, options)


def _drop_folder(folder: Path, api: KeyApi, options: DropOptions) -> str | None:
    contents = FolderContents.of(folder)
    contents.check(folder)
    if contents.data_files:
        raise typer.BadParameter(
            f"'{folder.name}' is a folder of part files, which only --stack can upload: one file is expected"
        )
    companions = [file for file in contents.companions if options.spec is None or file.name not in SETTINGS]
    confirm([*large_reasons(contents.images), *contents.unusual_reasons(folder)], confirmed=options.confirmed)
    if contents.other_files:
        message(f"ignored: {name_files(folder, contents.other_files)}", style="yellow")
    with zip_images(folder, contents.images, model_of(folder)) as packed:
        return _drop_file(packed, companions, api, options)


def _drop_file(file: Path, companions: Sequence[Path], api: KeyApi, options: DropOptions) -> str | None:
    key = options.key(check_file(file.name))
    if key.is_model:
        check_model_file(file, options.spec, options.calibration, check=options.check)
    elif key.starts_run:
        upload = PlannedUpload(key=key, files=[file], companions=companions, spec=options.spec, target=options.target)
        precheck_files(upload, (), check=options.check, watch=options.watch)
    elif options.check:
        check_companion(file)
    for companion in companions:
        api.upload(companion, options.model)
    for name, named_file in ((SETTINGS[0], options.spec), (CALIBRATION, options.calibration)):
        if named_file is not None:
            with _copy_named(named_file, name) as copy:
                api.upload(copy, options.model)
    with show_progress(file) as progress:
        run = api.upload(file, options.model, target=options.target, progress=progress)
    message(f"{size(file.stat().st_size)} uploaded for {options.model}", style="dim")
    return run


@contextmanager
def _copy_named(file: Path, name: str) -> Iterator[Path]:
    """Yield a copy of a companion with the name that a run looks for."""
    with tempfile.TemporaryDirectory(prefix="modeldrop-") as folder:
        yield Path(shutil.copyfile(file, Path(folder) / name))
