"""Read model.py, the user's network architecture, as text. The code runs only in the sandbox of a training job."""

from __future__ import annotations

import ast

from pipeline.contracts.errors import InvalidModelCodeError
from pipeline.contracts.object_keys import MODEL_CODE
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.run import Upload
from pipeline.validation.companions.reading import read_companion

__all__ = ["check_code", "read_code"]

_MAX_BYTES = 256 << 10
_FACTORY = "build"


def read_code(upload: Upload, uploads: ObjectStore) -> bytes | None:
    """Return the upload's model.py; None if there is none.

    Args:
        upload: The uploaded file.
        uploads: The store that holds the file and its companions.

    Raises:
        InvalidModelCodeError: The file is too large, is not Python, or has no function ``build``.
    """
    code = read_companion(upload, uploads, (MODEL_CODE,), max_bytes=_MAX_BYTES, error=InvalidModelCodeError)
    return None if code is None else check_code(code)


def check_code(code: bytes) -> bytes:
    """Check by parsing that ``code`` is Python with a function ``build``, and return it.

    Raises:
        InvalidModelCodeError: The code is not Python, or has no such function.
    """
    try:
        module = ast.parse(code.decode("utf-8-sig"))
    except SyntaxError as error:
        where = f" (line {error.lineno})" if error.lineno else ""
        raise InvalidModelCodeError(f"{MODEL_CODE} is not Python{where}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:  # ValueError: not UTF-8, or a null byte
        raise InvalidModelCodeError(
            f"{MODEL_CODE} is not Python: UTF-8 source of moderate depth is expected"
        ) from error
    if not any(isinstance(node, ast.FunctionDef) and node.name == _FACTORY for node in module.body):
        raise InvalidModelCodeError(
            f"{MODEL_CODE} has no function '{_FACTORY}': def {_FACTORY}(shape, settings) that returns a "
            "torch.nn.Module is expected"
        )
    return code
