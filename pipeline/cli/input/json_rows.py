"""Parse rows of JSON from the command line, a .json file, or stdin."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.contracts.errors import InvalidRequestError

__all__ = ["are_json_lines", "is_json", "parse_rows", "write_json_lines"]

_BOM = "\ufeff".encode()


def is_json(body: bytes) -> bool:
    """Return whether text begins as JSON does, in UTF-8 or UTF-16."""
    start = body[:64].removeprefix(_BOM).removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff").lstrip(b"\0 \t\r\n")
    return start[:1] in (b"{", b"[")


def are_json_lines(body: bytes) -> bool:
    """Return whether each line is an object, judging by the first two."""
    lines = [line for line in body[: 1 << 20].removeprefix(_BOM).splitlines() if line.strip()][:2]
    return len(lines) == 2 and all(line.lstrip().startswith(b"{") for line in lines) and _is_object(lines[0])


def parse_rows(text: str | bytes, name: str = "") -> list[dict[str, Any]]:
    """Parse ``[{column: value}, ...]``, ``{"rows": [...]}`` or one row.

    Args:
        text: A JSON document.
        name: Name of the file, for messages; empty if the text is not from a file.

    Raises:
        InvalidRequestError: The text is not JSON (the message names line and column), or is not rows.
    """
    subject = f"'{name}' is" if name else "the rows are"
    try:
        document = json.loads(text.removeprefix(_BOM) if isinstance(text, bytes) else text)
    except json.JSONDecodeError as error:
        raise InvalidRequestError(
            f"{subject} not JSON (line {error.lineno}, column {error.colno}): {error.msg.lower()}"
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"{subject} not text: JSON in UTF-8 is expected") from error
    except RecursionError as error:
        raise InvalidRequestError(f"{subject} nested too deeply: flat objects are expected") from error
    except ValueError as error:  # Python's limit on the digits of an int
        raise InvalidRequestError(f"{subject} not read: a whole number has too many digits") from error
    if isinstance(document, dict):
        document = document.get("rows", [document])
    if not (isinstance(document, list) and document and all(isinstance(row, dict) for row in document)):
        where = f"'{name}': " if name else ""
        raise InvalidRequestError(f'{where}a row such as {{"column": value}}, or a list of them, is expected')
    return document


def write_json_lines(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Write one row per line."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
