"""What a folder on this machine holds: part files of one data set, or pictures in folders."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import typer

from pipeline.cli.exits import message
from pipeline.contracts.names import COMPANIONS, MOST_PARTS, UploadKey

__all__ = ["FolderContents", "name_files", "zip_pictures"]

_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderContents:
    """What a folder holds: ``parts`` and ``companions`` lie directly in it, ``pictures`` in the
    folders of their classes."""

    parts: list[Path] = field(default_factory=list)
    companions: list[Path] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    rest: list[Path] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> FolderContents:
        """List a folder. Hidden files and folders are not looked at, nor Spark's own files, such as _SUCCESS."""
        from pipeline.contracts.pictures import PICTURE_ENDINGS
        from pipeline.validation.readers.formats import has_format

        found = cls()
        for file in _files(folder):
            name, inside = file.name, file.parent != folder
            if inside:
                (found.pictures if name.lower().endswith(PICTURE_ENDINGS) else found.rest).append(file)
            elif name.startswith("_"):
                continue
            elif name in COMPANIONS:
                found.companions.append(file)
            elif not has_format(name):
                found.rest.append(file)
            else:
                (found.parts if UploadKey.is_data(name) else found.companions).append(file)
        return found

    def check(self, folder: Path) -> None:
        """Raise typer.BadParameter where it is not clear what is meant."""
        from pipeline.validation.readers.formats import has_format

        if self.parts and self.pictures:
            raise typer.BadParameter(
                f"{folder} holds data files ({name_files(folder, self.parts)}) and pictures in folders "
                f"({name_files(folder, self.pictures)}): only one kind is expected, so move the other out of it"
            )
        if len(self.parts) > MOST_PARTS:
            raise typer.BadParameter(
                f"{folder} holds {len(self.parts):,} data files: {MOST_PARTS:,} are the most of one data set"
            )
        if self.parts or self.pictures:
            return
        if deeper := [file for file in self.rest if has_format(file.name)]:
            raise typer.BadParameter(
                f"{folder} holds data files in folders inside it ({name_files(folder, deeper)}): the parts of a data "
                "set must lie directly in the folder that is dropped"
            )
        raise typer.BadParameter(
            f"{folder} holds neither data files (csv, parquet, ...) nor folders of pictures (png or jpg), one a class"
        )


def _files(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))  # os.walk goes into these
        files = (Path(where) / name for name in sorted(names) if not name.startswith("."))
        yield from (file for file in files if file.is_file())


def name_files(folder: Path, files: Sequence[Path]) -> str:
    """Name the first few."""
    named = ", ".join(file.relative_to(folder).as_posix() for file in files[:_MOST_NAMED])
    return f"{named} and {len(files) - _MOST_NAMED:,} more" if len(files) > _MOST_NAMED else named


@contextmanager
def zip_pictures(folder: Path, pictures: Sequence[Path], name: str) -> Iterator[Path]:
    """Put pictures into a zip, which is there as long as it is needed."""
    message(f"{len(pictures):,} pictures into a zip", style="dim")
    with tempfile.TemporaryDirectory() as scratch:
        packed = Path(scratch) / f"{name or 'pictures'}.zip"
        # png and jpg are compressed already; a zip knows no date before 1980, which some files bear
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
            for file in pictures:
                archive.write(file, file.relative_to(folder))
        yield packed
