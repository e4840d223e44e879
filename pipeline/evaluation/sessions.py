"""Sessions of onnxruntime: their options; and those of served files, which have one input per column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import EPFail

__all__ = ["WideSession", "session_options"]

_LOG_ERRORS_ONLY = 3  # onnxruntime warns on machines without a GPU


def session_options(threads: int = 1, *, has_gpu: bool = False) -> onnxruntime.SessionOptions:
    """Return the options of a session.

    On a CPU, a sum and its layer normalization stay two operators: for 64 texts of 70 words and a width of 128,
    onnxruntime 1.31 takes 353 us for both, and 2,190 us for the one that it makes of them (SkipLayerNormalization).

    Args:
        threads: Threads of an operator.
        has_gpu: Whether a GPU runs the operators.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _LOG_ERRORS_ONLY
    if not has_gpu:
        options.add_session_config_entry("optimization.disable_specified_optimizers", "SkipLayerNormFusion")
    return options


class WideSession(onnxruntime.InferenceSession):  # type: ignore[misc]  # onnxruntime has no types
    """An InferenceSession that leaves the check of the inputs' names to the graph, which names a missing one.

    ``InferenceSession.run`` looks each input up in a list first: 5 us for 14 columns, seconds for 10,000.
    """

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], run_options: Any = None
    ) -> list[Any]:
        """Run the graph; as InferenceSession.run, which takes over where a GPU has failed."""
        try:
            outputs: list[Any] = self._sess.run(
                output_names or [output.name for output in self.get_outputs()], input_feed, run_options
            )
        except EPFail:
            outputs = super().run(output_names, input_feed, run_options)
        return outputs
