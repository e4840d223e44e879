"""Create onnxruntime sessions for a server."""

from __future__ import annotations

from collections.abc import Callable

import onnxruntime

from pipeline.evaluation.sessions import WideSession, session_options
from pipeline.server.execution.batching import BatchingSession
from pipeline.server.models.tensor_model import TensorSession

__all__ = ["make_server_session"]

_MIN_PARALLEL_BYTES = 4 << 20  # bytes of a model file; smaller graphs finish before a second thread has woken up
_PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")


def make_server_session(
    file: bytes, *, threads: int, with_batching: bool, on_batch: Callable[[int], None] = lambda rows: None
) -> TensorSession:
    """Create a session from a model file, on the GPU if onnxruntime has a provider for it.

    Args:
        file: ONNX file.
        threads: Number of threads for a large graph; a small graph has one.
        with_batching: Batch concurrent requests if that is faster.
        on_batch: Called with the number of rows of each batch.
    """
    providers = [name for name in _PROVIDERS if name in onnxruntime.get_available_providers()]
    options = session_options(threads if len(file) >= _MIN_PARALLEL_BYTES else 1, has_gpu=len(providers) > 1)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores to others
    session = WideSession(file, options, providers=providers)
    return BatchingSession(session, on_batch=on_batch) if with_batching else session
