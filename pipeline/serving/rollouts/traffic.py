"""Split the requests of a rollout between two versions, measure both, and compare their predictions."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any, Literal, Protocol, Self, TypeVar

from numpy.typing import NDArray

from pipeline.contracts.errors import ModeldropError
from pipeline.serving.api.errors import set_log_facts
from pipeline.serving.api.model_source import ModelReference
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.request_decoder import Feeds
from pipeline.serving.rollouts.alias_target import AliasTarget
from pipeline.serving.rollouts.comparison import compare_outputs
from pipeline.serving.rollouts.counters import RolloutCounters

__all__ = ["RolloutTraffic", "RunComparison"]

RunComparison = Callable[[Callable[[], None]], bool]  # runs a comparison now or later; returns False if it drops it

_Role = Literal["live", "new"]


class _HasFacts(Protocol):
    @property
    def facts(self) -> Any: ...
    def _replace(self, **fields: Any) -> Self: ...


_Reply = TypeVar("_Reply", bound=_HasFacts)


class RolloutTraffic:
    """Chooses the version of a request while a rollout runs. Thread-safe.

    Attributes:
        counters: Counters of the rollouts.
        run_comparison: Runs a comparison.
        after_request: Called after each measured request.

    Args:
        load: Returns a loaded version by tenant, model and number; raises the same errors as ModelSource.find.
        counters: Counters of the rollouts.
        run_comparison: Runs a comparison. By default comparisons run before the response is returned, and requests
            write the counters; with ``run_comparison`` the caller must write them.
    """

    def __init__(
        self,
        load: Callable[[str, str, int], LoadedModel],
        counters: RolloutCounters,
        run_comparison: RunComparison | None = None,
    ) -> None:
        self._load = load
        self.counters = counters
        self.run_comparison = run_comparison or _run_now
        self.after_request = counters.count_request if run_comparison is None else _do_nothing

    def choose(self, target: AliasTarget, reference: ModelReference) -> LoadedModel:
        """Return the version that responds, with an ``observer`` if the request is measured.

        If the new version cannot be loaded, the request counts as failed for it, and the live version responds.

        Args:
            target: Target of the alias.
            reference: Reference of the request. Without ``position`` the request is not a prediction, and the live
                version responds.

        Raises:
            NotFoundError: The live version is deleted.
            ConflictError: The live version is archived.
            IntegrityError: The live version's file is missing or changed.
        """
        tenant, model = reference.tenant, reference.model
        live = self._load(tenant, model, target.version)
        rollout, position = target.rollout, reference.position
        if rollout is None or position is None:
            return live
        is_selected = 100 * position(rollout.id) < rollout.percent
        if not is_selected and rollout.mode == "shadow":
            return live
        name = (tenant, model, rollout.id)
        if not is_selected:
            return _observe(live, _Observer(self, name, "live", None))
        try:
            new = self._load(tenant, model, rollout.version)
        except ModeldropError:
            self.counters.add(name, {"new_requests": 1, "new_failed": 1})
            self.after_request()
            return live
        if rollout.mode == "canary":
            return _observe(new, _Observer(self, name, "new", live))
        return _observe(live, _Observer(self, name, "live", new))


class _Observer:
    """Measures the version that responds to a request, and compares its predictions with those of a peer.

    Args:
        traffic: Traffic that the request belongs to.
        name: Tenant, model and id of the rollout.
        role: Role of the version that responds.
        peer: Version to compare the predictions with; None for no comparison.
    """

    def __init__(
        self, traffic: RolloutTraffic, name: tuple[str, str, str], role: _Role, peer: LoadedModel | None
    ) -> None:
        self._counters = traffic.counters
        self._run_comparison = traffic.run_comparison
        self._after_request = traffic.after_request
        self._name = name
        self._role = role
        self._variant = "canary" if role == "new" else "live"  # name of the role in logs and metrics
        self._peer = peer

    def watch(self, model: LoadedModel, predict: Callable[[LoadedModel], _Reply]) -> _Reply:
        """Predict; count the request, its duration and, if there is a peer, the difference of the predictions."""
        name, role = self._name, self._role
        self._counters.add(name, {f"{role}_requests": 1})
        recorded = _Recorded.of(model)
        try:
            reply = predict(recorded)
        except Exception as error:
            if role == "new":
                self._run(lambda: self._count_failure(predict))
            self._after_request()
            set_log_facts(error, {"tenant": name[0], "model": name[1], "variant": self._variant})
            raise
        self._counters.add_latency(name, role, recorded.seconds)
        if (peer := self._peer) is not None:
            self._run(lambda: self._compare(predict, recorded, peer))
        self._after_request()
        return reply._replace(facts={**reply.facts, "variant": self._variant})

    def _run(self, comparison: Callable[[], None]) -> None:
        if not self._run_comparison(comparison):
            self._counters.add(self._name, {"dropped": 1})

    def _count_failure(self, predict: Callable[[LoadedModel], _Reply]) -> None:
        """Count a failure of the new version, unless the live version also fails on the same request."""
        assert self._peer is not None, "the live version is beside a canary"
        try:
            predict(self._peer)
        except Exception:  # noqa: BLE001 - any error of the live version excuses the new one
            return
        self._counters.add(self._name, {"new_failed": 1})

    def _compare(self, predict: Callable[[LoadedModel], _Reply], recorded: _Recorded, peer: LoadedModel) -> None:
        name, role = self._name, self._role
        compared = _Recorded.of(peer)
        try:
            predict(compared)
        except Exception:  # noqa: BLE001 - any error counts as a failure
            if role == "live":
                self._counters.add(name, {"new_requests": 1, "new_failed": 1})
            return
        if role == "live":
            self._counters.add(name, {"new_requests": 1})
            self._counters.add_latency(name, "new", compared.seconds)
        live, new = (recorded, compared) if role == "live" else (compared, recorded)
        self._counters.add(name, compare_outputs(live.first_output, new.first_output))


class _Recorded(LoadedModel):
    """A version that records the first output of a request, and the seconds that the graph took."""

    seconds: float
    first_output: NDArray[Any]

    @classmethod
    def of(cls, model: LoadedModel) -> Self:
        """Return a copy of ``model`` that shares its session and decoders."""
        recorded = cls.__new__(cls)
        recorded.__dict__.update(vars(model))
        return recorded

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """Run the graph, and record its first output and its duration."""
        started = time.perf_counter()
        outputs = super().run(feeds)
        self.seconds = time.perf_counter() - started
        self.first_output = outputs[0]
        return outputs


def _observe(model: LoadedModel, observer: _Observer) -> LoadedModel:
    observed = copy.copy(model)
    observed.observer = observer
    return observed


def _run_now(comparison: Callable[[], None]) -> bool:
    comparison()
    return True


def _do_nothing() -> None:
    """Write no counters after a request: the user of ``run_comparison`` writes them."""
