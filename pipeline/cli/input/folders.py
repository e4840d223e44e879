"""Contents of a local folder: part files of one data set, or images in folders."""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import typer

from pipeline.cli.terminal.exit_codes import ExitCode, StoppedError, message
from pipeline.cli.views.tables import size
from pipeline.contracts.object_keys import COMPANIONS, MAX_PARTS, UploadKey

__all__ = ["FolderContents", "confirm", "large_reasons", "name_files", "zip_images"]

_MAX_NAMED_FILES = 5
_NAMED_KINDS = {
    "delimited": "text tables",
    "json_lines": "JSON lines",
    "parquet": "parquet",
    "spreadsheet": "spreadsheets",
    "arrays": "npz",
    "folders": "zip",
}
MAX_UNCONFIRMED_BYTES = 1 << 30  # bytes uploaded without a question
MAX_IGNORED_FILES = 20  # files ignored without a question


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderContents:
    """Contents of a folder, by kind.

    Attributes:
        data_files: Part files of one data set, directly in the folder.
        companions: Files that accompany the data, directly in the folder.
        images: Images, in the folders of their classes.
        other_files: Files that a drop ignores.
    """

    data_files: list[Path] = field(default_factory=list)
    companions: list[Path] = field(default_factory=list)
    images: list[Path] = field(default_factory=list)
    other_files: list[Path] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> FolderContents:
        """List a folder; skip hidden files and folders, and Spark's own files, such as _SUCCESS."""
        from pipeline.contracts.image_decoding import IMAGE_SUFFIXES
        from pipeline.validation.readers.formats import has_format

        contents = cls()
        for file in _files(folder):
            name, is_nested = file.name, file.parent != folder
            if is_nested:
                (contents.images if name.lower().endswith(IMAGE_SUFFIXES) else contents.other_files).append(file)
            elif name.startswith("_"):
                continue
            elif name in COMPANIONS:
                contents.companions.append(file)
            elif not has_format(name):
                contents.other_files.append(file)
            else:
                (contents.data_files if UploadKey.is_data(name) else contents.companions).append(file)
        return contents

    def check(self, folder: Path) -> None:
        """Check that the folder holds either part files or images.

        Raises:
            typer.BadParameter: The folder holds neither kind or both, too many parts, or files that cannot form one
                data set.
        """
        from pipeline.validation.readers.formats import has_format

        if self.data_files and self.images:
            raise typer.BadParameter(
                f"{folder} holds data files ({name_files(folder, self.data_files)}) and images in folders "
                f"({name_files(folder, self.images)}): only one kind is expected, so move the other one elsewhere"
            )
        self._check_one_kind(folder)
        if len(self.data_files) > MAX_PARTS:
            raise typer.BadParameter(
                f"{folder} holds {len(self.data_files):,} data files: at most {MAX_PARTS:,} are expected in a data set"
            )
        if self.data_files or self.images:
            return
        if deeper := [file for file in self.other_files if has_format(file.name)]:
            raise typer.BadParameter(
                f"{folder} holds data files in folders inside it ({name_files(folder, deeper)}): the parts of a data "
                "set must lie directly in the folder that is dropped"
            )
        raise typer.BadParameter(
            f"{folder} holds neither data files (csv, parquet, ...) nor folders of images (png or jpg), one per class"
        )

    def unusual_reasons(self, folder: Path) -> list[str]:
        """Return reasons to ask whether the folder was meant: other files in a working directory, or many of them."""
        data = len(self.data_files) + len(self.images)
        if not self.other_files or not (_is_workplace(folder) or len(self.other_files) > max(MAX_IGNORED_FILES, data)):
            return []
        count = len(self.other_files)
        return [
            f"{folder} holds {count:,} other {'file' if count == 1 else 'files'}, which would be ignored "
            f"({name_files(folder, self.other_files)})"
        ]

    def _check_one_kind(self, folder: Path) -> None:
        from pipeline.validation.readers.formats import find_format

        kinds: dict[str, list[Path]] = {}
        for file in self.data_files:
            kinds.setdefault(find_format(file.name).kind, []).append(file)
        # a spreadsheet, npz or zip file is a data set by itself
        alone = [file for kind in ("spreadsheet", "arrays", "folders") for file in kinds.get(kind, [])]
        if len(kinds) > 1 or len(alone) > 1:
            listed = "; ".join(f"{_NAMED_KINDS[kind]}: {name_files(folder, files)}" for kind, files in kinds.items())
            raise typer.BadParameter(
                f"{folder} holds files that cannot form one data set ({listed}): name the file you mean, or move the "
                "parts of one data set to a folder of their own"
            )


def large_reasons(files: Sequence[Path]) -> list[str]:
    """Return the upload's size as a reason to ask, if it is large."""
    total = sum(file.stat().st_size for file in files)
    if total <= MAX_UNCONFIRMED_BYTES:
        return []
    return [f"{size(total)} of data would be uploaded"]


def confirm(reasons: Sequence[str], *, confirmed: bool) -> None:
    """Ask on a terminal whether an upload is meant.

    Args:
        reasons: Unusual facts; nothing is asked if there are none.
        confirmed: ``--yes`` was given.

    Raises:
        typer.BadParameter: There is no terminal to ask on.
        StoppedError: The user declined.
    """
    if confirmed or not reasons:
        return
    sentence = "; ".join(reasons)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise typer.BadParameter(f"{sentence}: --yes confirms it")
    if not typer.confirm(f"{sentence}. Go on?", err=True):
        raise StoppedError("nothing was uploaded", "Declined", ExitCode.USAGE)


def _is_workplace(folder: Path) -> bool:
    """Return whether a folder is the working directory, one of its parents, or the user's home."""
    resolved, here = folder.resolve(), Path.cwd()
    return resolved in (here, *here.parents, Path.home())


def _files(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))  # os.walk descends into these
        files = (Path(where) / name for name in sorted(names) if not name.startswith("."))
        yield from (file for file in files if file.is_file())


def name_files(folder: Path, files: Sequence[Path]) -> str:
    """Return the names of the first few files."""
    named = ", ".join(file.relative_to(folder).as_posix() for file in files[:_MAX_NAMED_FILES])
    return f"{named} and {len(files) - _MAX_NAMED_FILES:,} more" if len(files) > _MAX_NAMED_FILES else named


@contextmanager
def zip_images(folder: Path, images: Sequence[Path], name: str) -> Iterator[Path]:
    """Put images into a temporary zip file."""
    message(f"{len(images):,} images into a zip", style="dim")
    with tempfile.TemporaryDirectory() as scratch:
        packed = Path(scratch) / f"{name or 'images'}.zip"
        # png and jpg are compressed already; a zip cannot store the dates before 1980 that some files have
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
            for file in images:
                archive.write(file, file.relative_to(folder))
        yield packed
