"""Dynamic micro-batching: requests that arrive while the graph runs become the next batch.

No request waits for others to arrive, so a single client gets no slower. The expected duration of a batch is limited.
Graphs that are no faster with batches run requests one by one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.server.execution.run_time import note_run
from pipeline.server.models.tensor_model import TensorSession
from pipeline.serving.request_decoder import Feeds

__all__ = ["BatchingSession"]

_MIN_SECONDS = 0.001  # seconds per row; faster graphs gain less than batching costs
_MIN_GAIN = 1.2  # minimum speedup (rows per second with and without batches) for which requests are batched
_PROBE_RUNS = 200  # unbatched runs until batching is tried again
_MAX_RISE = 5.0  # cap of a new duration, as a multiple of the moving average
_MEASURED_EVERY = 64  # runs of a fast graph between two measured runs
_WEIGHT = 0.2  # weight of the newest run in the moving averages

_Outputs = list[NDArray[Any]]


class _Request:
    """A request to run. ``ready`` is set when it has outputs or an error, or must lead the next batch."""

    __slots__ = ("error", "feeds", "outputs", "ready", "rows", "shapes")

    def __init__(self, feeds: Feeds) -> None:
        # The decoder reuses each thread's arrays for one-row requests; they do not change while this thread waits.
        self.feeds = feeds
        self.rows = len(next(iter(feeds.values())))
        self.shapes = {name: (array.shape[1:], array.dtype) for name, array in feeds.items()}
        self.ready = threading.Event()
        self.outputs: _Outputs | None = None
        self.error: Exception | None = None


class BatchingSession:
    """A session that runs concurrent requests together. Thread-safe.

    Attributes:
        is_running: Whether the graph is running.
        waiting: Requests that wait until the graph is free.

    Args:
        session: Runs the graph. The first axis of its inputs and outputs is the rows.
        max_rows: Maximum number of rows of a batch; a larger request runs alone.
        max_seconds: Maximum expected duration of a batch.
        on_batch: Called with the number of rows of each batch of several requests.
        clock: Returns seconds.
    """

    def __init__(
        self,
        session: TensorSession,
        *,
        max_rows: int = 256,
        max_seconds: float = 0.1,
        on_batch: Callable[[int], None] = lambda rows: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._session = session
        self._max_rows = max_rows
        self._max_seconds = max_seconds
        self._on_batch = on_batch
        self._clock = clock
        self.get_inputs = session.get_inputs
        self.get_outputs = session.get_outputs
        self._run_now = session.run
        self._can_batch = _has_free_rows(session)
        self._lock = threading.Lock()
        self.waiting: deque[_Request] = deque()
        self.is_running = False
        self._single_seconds = 0.0  # average seconds per row of runs with one request
        self._batch_seconds = 0.0  # average seconds per row of runs with several requests
        self._runs_until_probe = 0
        self._until_measured = 0  # runs of a fast graph until the next measured run; 0 for a slow graph

    @property
    def is_batching(self) -> bool:
        """Return whether waiting requests are currently run together."""
        return self._can_batch and self._runs_until_probe == 0 and self._single_seconds >= _MIN_SECONDS

    def run(self, output_names: Sequence[str] | None, input_feed: Feeds) -> _Outputs:
        """Run the graph on the rows of one request, possibly in a batch with other requests.

        Args:
            output_names: Outputs to compute; None for all. Must be the same for all requests.
            input_feed: One array per input.

        Raises:
            Exception: The session's error for this request.
        """
        if self._until_measured > 0:
            self._until_measured -= 1
            return self._run_now(output_names, input_feed)
        if not self._can_batch:
            return self._run_now(output_names, input_feed)
        if 0 < self._single_seconds < _MIN_SECONDS:
            outputs = self._run_alone(output_names, input_feed)
            self._until_measured = _MEASURED_EVERY if self._single_seconds < _MIN_SECONDS else 0
            return outputs
        request = _Request(input_feed)
        note_run(self._single_seconds * request.rows)
        with self._lock:
            must_wait = self.is_running
            self.is_running = True
            if must_wait:
                self.waiting.append(request)
        if must_wait:
            request.ready.wait()
        if request.outputs is None and request.error is None:
            self._lead(output_names, request)
        if request.error is not None:
            raise request.error
        assert request.outputs is not None
        return request.outputs

    def _run_alone(self, output_names: Sequence[str] | None, feeds: Feeds) -> _Outputs:
        started = self._clock()
        outputs = self._session.run(output_names, feeds)
        rows = max(1, len(next(iter(feeds.values()))))
        seconds = (self._clock() - started) / rows
        if self._single_seconds:  # other processes may delay a single run, so its duration is capped
            seconds = min(seconds, _MAX_RISE * self._single_seconds)
        self._single_seconds = _average(self._single_seconds, seconds)
        return outputs

    def _lead(self, output_names: Sequence[str] | None, first: _Request) -> None:
        """Run a batch that begins with ``first``; then let the next waiting request lead a batch in its own thread."""
        batch = [first]
        try:
            with self._lock:
                batch += self._take(first)
            self._run_each_or_together(output_names, batch)
        finally:
            with self._lock:
                following = self.waiting.popleft() if self.waiting else None
                self.is_running = following is not None
            for request in batch[1:]:
                request.ready.set()
            if following is not None:
                following.ready.set()

    def _take(self, first: _Request) -> list[_Request]:
        """Remove and return the waiting requests that fit into a batch with ``first``."""
        if not self.is_batching:
            return []
        per_row = self._batch_seconds or self._single_seconds
        max_rows = min(self._max_rows, int(self._max_seconds / per_row))
        taken: list[_Request] = []
        rows = first.rows
        while self.waiting:
            request = self.waiting[0]
            if rows + request.rows > max_rows or request.shapes != first.shapes:
                break
            rows += request.rows
            taken.append(self.waiting.popleft())
        return taken

    def _run_each_or_together(self, output_names: Sequence[str] | None, batch: Sequence[_Request]) -> None:
        """Run a batch; if it fails, run its requests one by one, so that only the invalid ones fail."""
        try:
            self._run_batch(output_names, batch)
        except Exception as error:  # noqa: BLE001 - the request raises it in its own thread
            if len(batch) == 1:
                batch[0].error = error
                return
            for request in batch:
                self._run_each_or_together(output_names, [request])

    def _run_batch(self, output_names: Sequence[str] | None, batch: Sequence[_Request]) -> None:
        if len(batch) == 1:
            self._runs_until_probe = max(0, self._runs_until_probe - 1)
            batch[0].outputs = self._run_alone(output_names, batch[0].feeds)
            return
        feeds = {name: np.concatenate([request.feeds[name] for request in batch]) for name in batch[0].feeds}
        rows = sum(request.rows for request in batch)
        started = self._clock()
        outputs = self._session.run(output_names, feeds)
        self._record_run((self._clock() - started) / rows, rows)
        start = 0
        for request in batch:
            request.outputs = [output[start : start + request.rows] for output in outputs]
            start += request.rows

    def _record_run(self, seconds_per_row: float, rows: int) -> None:
        self._batch_seconds = _average(self._batch_seconds, seconds_per_row)
        if self._batch_seconds * _MIN_GAIN > self._single_seconds:
            self._runs_until_probe = _PROBE_RUNS
            self._batch_seconds = 0.0
        self._on_batch(rows)


def _average(old: float, new: float) -> float:
    return old + _WEIGHT * (new - old) if old else new


def _has_free_rows(session: TensorSession) -> bool:
    """Return whether every input and output takes any number of rows: its first axis has no fixed size."""
    tensors = [*session.get_inputs(), *session.get_outputs()]
    return all(tensor.shape and not isinstance(tensor.shape[0], int) for tensor in tensors)
