"""Convert one sheet of an Excel or OpenDocument workbook to a csv file."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.parsing.numbers import write_number
from pipeline.validation.columns.names import check_cells
from pipeline.validation.limits import MAX_BYTES, MIN_ROWS
from pipeline.validation.readers.merged_cells import Cell, MergedCells
from pipeline.validation.words import counted, listed

__all__ = ["convert_spreadsheet"]

_MAX_FILE_BYTES = 64 << 20
_MAX_INTEGER = 2.0**63  # from this on a number is written with an exponent
_CHUNK_BYTES = 1 << 20
_CELL_BYTES = 20
_CELL = re.compile(rb'<c r="([A-Z]{1,3})(\d{1,7})"')
_MAX_NAMED_SHEETS = 10
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # name of the stream in an Office file that a password protects


@dataclass(frozen=True, kw_only=True, slots=True)
class _Area:
    """Position of a sheet's cells; ``rows`` counts the rows with at least the cells that a row of a table needs."""

    rows: int
    first_column: int
    width: int
    header_row: int = -1  # 0-based: the first row that fills half of the columns


def convert_spreadsheet(  # noqa: PLR0913 - a file, and options for its sheet
    name: str,
    path: Path,
    folder: Path,
    *,
    sheet: str,
    is_hint: bool = False,
    min_columns: int = 2,
    header: str = "auto",
) -> tuple[Path, tuple[str, ...]]:
    """Write one sheet of a workbook as a csv file.

    Args:
        name: Name of the file, for messages.
        path: The workbook: .xlsx, .xlsm, .xlsb, .xls or .ods, whatever its name.
        folder: Folder that the csv file is written to.
        sheet: Name of the sheet; empty: the first sheet with a table.
        is_hint: Whether the first sheet with a table is read if no sheet has that name.
        min_columns: Minimum number of columns of a table.
        header: "none" if the first row holds values.

    Returns:
        Path of the csv file, UTF-8 text with commas between the fields, and warnings.

    Raises:
        UnreadableDatasetError: The file is not a workbook, is protected, damaged or too large, or has no such sheet or
            table.
    """
    _check_size(name, path)
    data = path.read_bytes()
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
            choice = "" if is_hint and sheet not in workbook.sheet_names else sheet
            chosen, area, warnings = _choose_sheet(name, workbook, choice, min_columns)
            check_cells(name, area.width * chosen.height)
            target = folder / f"{path.name}.sheet.csv"
            merged = MergedCells(chosen, -1 if header == "none" else area.header_row)
            _write_sheet(merged.fill(_iterate(chosen)), area, target)
    except PasswordError as error:
        raise _make_password_error(name) from error
    except CalamineError as error:
        if _ENCRYPTED in data:
            raise _make_password_error(name) from error
        raise UnreadableDatasetError(
            f"'{name}' is not a complete Excel file: it is damaged or another format; .xlsx, .xls or .ods is expected"
        ) from error
    return target, (*warnings, *merged.warnings)


def _check_size(name: str, path: Path) -> None:
    """Check the size before and after decompression: a small file can hold very many equal cells."""
    if (size := path.stat().st_size) > _MAX_FILE_BYTES:
        raise UnreadableDatasetError(
            f"'{name}' has {size >> 20:,} MiB: at most {_MAX_FILE_BYTES >> 20} MiB are expected of an Excel file; "
            "save it as .csv"
        )
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > MAX_BYTES:
                raise UnreadableDatasetError(f"'{name}' holds more than {MAX_BYTES >> 20:,} MiB, the maximum")
            for entry in packed.infolist():
                if entry.filename.startswith("xl/worksheets/") and entry.filename.endswith(".xml"):
                    check_cells(name, _count_cells(packed, entry))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UnreadableDatasetError(f"'{name}' is not a complete Excel file: its zip archive is damaged") from error


def _count_cells(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    """Count the cells of the sheet's bounding rectangle, all of which take memory."""
    columns: set[bytes] = set()
    last_row, overlap = 0, b""
    with packed.open(entry) as file:
        while chunk := file.read(_CHUNK_BYTES):
            cells = _CELL.findall(overlap + chunk)
            overlap = chunk[-_CELL_BYTES:]
            columns.update(letters for letters, _ in cells)
            last_row = max(last_row, int(cells[-1][1]) if cells else 0)
    return last_row * max(map(_parse_column, columns), default=0)


def _parse_column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number


def _make_password_error(name: str) -> UnreadableDatasetError:
    return UnreadableDatasetError(f"'{name}' is protected by a password: save it without one")


def _choose_sheet(
    name: str, workbook: CalamineWorkbook, choice: str, min_columns: int
) -> tuple[CalamineSheet, _Area, tuple[str, ...]]:
    names = _order_sheets(workbook)
    if choice:
        if choice not in names:
            raise UnreadableDatasetError(
                f"'{name}' has no sheet '{choice}': {_list_sheets(names)} {'is' if len(names) == 1 else 'are'} there"
            )
        sheet = workbook.get_sheet_by_name(choice)
        area = _measure(sheet, min_columns)
        if not area.rows:
            raise UnreadableDatasetError(
                f"'{name}': sheet '{sheet.name}' holds no table: a header and rows are expected"
            )
        return sheet, area, ()
    best: tuple[CalamineSheet, _Area] | None = None
    for candidate in names:
        sheet = workbook.get_sheet_by_name(candidate)
        area = _measure(sheet, min_columns)
        if area.rows and (best is None or area.rows > best[1].rows):
            best = sheet, area
        if area.rows > MIN_ROWS:
            break
    if best is None:
        raise UnreadableDatasetError(f"'{name}' holds no table: a sheet with a header and rows is expected")
    return *best, tuple(_warn_unread_sheets(names, best[0].name))


def _order_sheets(workbook: CalamineWorkbook) -> list[str]:
    """Return the names of the sheets with cells, hidden sheets last."""
    sheets = [sheet for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    return [sheet.name for sheet in sorted(sheets, key=lambda sheet: sheet.visible != SheetVisibleEnum.Visible)]


def _list_sheets(names: Sequence[str]) -> str:
    return listed([f"'{name}'" for name in names], _MAX_NAMED_SHEETS)


def _warn_unread_sheets(names: Sequence[str], chosen: str) -> Iterator[str]:
    if unread := [name for name in names if name != chosen]:
        yield (
            f"sheet '{chosen}' is read, the first with a table; {counted(len(unread), 'other sheet')} not: "
            f"{_list_sheets(unread)} (`sheet` chooses another)"
        )


def _measure(sheet: CalamineSheet, min_columns: int) -> _Area:
    first, last, rows = 0, -1, 0
    fullest: list[tuple[int, int]] = []  # (row, filled cells) of each row with more filled cells than all rows above
    for number, cells in enumerate(_iterate(sheet)):
        filled = [column for column, cell in enumerate(cells) if cell not in ("", None)]
        if not filled:
            continue
        rows += len(filled) >= min_columns
        first = filled[0] if last < 0 else min(first, filled[0])
        last = max(last, filled[-1])
        if not fullest or len(filled) > fullest[-1][1]:
            fullest.append((number, len(filled)))
    width = last + 1 - first
    header_row = next((number for number, count in fullest if count * 2 > width), -1)
    return _Area(rows=rows, first_column=first, width=width, header_row=header_row)


def _iterate(sheet: CalamineSheet) -> Iterator[Sequence[Cell]]:
    return iter(()) if sheet.start is None else sheet.iter_rows()


def _write_sheet(rows: Iterator[Sequence[Cell]], area: _Area, target: Path) -> None:
    """Write each row; a blank row becomes a blank line, which may separate notes from the table below."""
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        is_started = False
        for cells in rows:
            texts = [_write_cell(cell) for cell in cells[area.first_column : area.first_column + area.width]]
            filled = any(texts)
            is_started = is_started or filled
            if is_started:
                writer.writerow(texts if filled else [])


def _write_cell(cell: Cell) -> str:  # noqa: PLR0911 - one type of cell each
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < _MAX_INTEGER else write_number(cell)
    if isinstance(cell, dt.datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    if isinstance(cell, dt.timedelta):
        return _write_duration(cell)
    return str(cell)


def _write_duration(duration: dt.timedelta) -> str:
    seconds = int(duration.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
