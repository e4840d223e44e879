"""Read model.py beside the data, the user's architecture, as text. It is executed only in the sandbox of its job."""

from __future__ import annotations

import ast

from pipeline.contracts.errors import InvalidModelCodeError, ObjectNotFoundError
from pipeline.contracts.names import MODEL_CODE, parse_upload_key
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.run import Upload

__all__ = ["check_code", "read_code"]

_MAX_BYTES = 256 << 10
_FACTORY = "build"


def read_code(upload: Upload, uploads: ObjectStore) -> bytes | None:
    """Return model.py beside the data; None where there is none.

    Args:
        upload: The uploaded file.
        uploads: The store that holds it and its companions.

    Raises:
        InvalidModelCodeError: The file is too large, is not Python, or has no function ``build``.
    """
    for folder in parse_upload_key(upload.key).folders:
        key = folder + MODEL_CODE
        try:
            size = uploads.head(key).bytes
        except ObjectNotFoundError:
            continue
        if size > _MAX_BYTES:
            raise InvalidModelCodeError(f"{MODEL_CODE} has {size:,} bytes: at most {_MAX_BYTES:,} are expected")
        return check_code(uploads.get(key))
    return None


def check_code(code: bytes) -> bytes:
    """Check by parsing that ``code`` is Python with a function ``build``, and return it.

    Raises:
        InvalidModelCodeError: It is not Python, or has no such function.
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
            f"{MODEL_CODE} has no function '{_FACTORY}': def {_FACTORY}(shape, settings) that gives a torch.nn.Module "
            "is expected"
        )
    return code
