"""Several processes train one network: how the work is cut between them.

``ddp``: each has the whole network and a share of every batch (Li et al. 2020). ``fsdp``: the same, and each keeps a
share of the weights, gradients and optimizer state (FSDP2; Rajbhandari et al. 2020, Zhao et al. 2023). ``tensor``: all
see the whole batch, and each has a share of the linear layers' units (Shoeybi et al. 2019).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, ParallelStyle, RowwiseParallel, parallelize_module
from torch.func import functional_call
from torch.nn.parallel import DistributedDataParallel

from pipeline.contracts.compute_cluster import Process
from pipeline.training.distributed.batch_norm import SynchronizedBatchNorm, synchronize_batch_norms
from pipeline.training.distributed.strategy import Parallel, T, copied

__all__ = ["STRATEGIES"]

_MIN_SHARD_PARAMETERS = 1_000_000  # parameters; smaller parts of a network are gathered together
_ELEMENTWISE = (nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Dropout, nn.Identity)  # what a share of the units can go through


class DistributedStrategy(Parallel):
    """Base class of strategies that run one model on several processes.

    All-reducing a value that is equal on all ranks leaves it unchanged, so that callers may always call ``mean``.
    """

    def __init__(self, process: Process, device: str) -> None:
        super().__init__(process)
        self._device = device

    @property
    def _mesh(self) -> DeviceMesh:
        return init_device_mesh(self._device.split(":", maxsplit=1)[0], (self.process.size,))

    def mean(self, value: Tensor) -> Tensor:
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.process.size

    def from_main(self, value: T) -> T:
        said = [value]
        dist.broadcast_object_list(said, src=0)
        return said[0]

    def gather(self, value: T) -> list[T]:
        values: list[Any] = [None] * self.process.size
        dist.all_gather_object(values, value)
        return values

    def whole(self, tree: Any) -> Any:
        whole = copied(tree, self._full_tensor_on_main)
        return whole if self.is_main else {}

    def _full_tensor_on_main(self, tensor: Tensor) -> Tensor:
        """A share is put together on all devices, one tensor at a time, and kept by the main process alone."""
        full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        return full.detach().to("cpu", copy=True) if self.is_main else torch.empty(0)

    def _network_of(self, model: nn.Module) -> nn.Module:
        return cast("nn.Module", model.module) if isinstance(model, DistributedDataParallel | _Local) else model

    def _outline(self, state: Mapping[str, Any], parameters: list[Tensor]) -> dict[str, Any]:
        return self.from_main(super()._outline(state, parameters) if self.is_main else {})

    def _shard(self, whole: Tensor | None, like: Tensor) -> Tensor:
        local = like.to_local() if isinstance(like, DTensor) else like
        if whole is None:
            tensor = torch.empty(like.shape, dtype=like.dtype, device=local.device)
        else:
            tensor = whole.to(local.device, like.dtype, copy=True).contiguous()
        if isinstance(like, DTensor):
            return distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=0)
        dist.broadcast(tensor, src=0)
        return tensor


class DdpStrategy(DistributedStrategy):
    def __init__(self, process: Process, device: str) -> None:
        super().__init__(process, device)
        self._batch_norms: list[SynchronizedBatchNorm] = []

    def wrap(self, network: nn.Module) -> nn.Module:
        return DistributedDataParallel(self._copy(network))

    def _copy(self, network: nn.Module) -> nn.Module:
        """A copy whose batch norms see the rows of all processes."""
        model = synchronize_batch_norms(copy.deepcopy(network))
        self._batch_norms = [module for module in model.modules() if isinstance(module, SynchronizedBatchNorm)]
        return model

    def seed_apart(self, *seed: int) -> None:
        if not self.is_main:
            drawn = np.random.SeedSequence((*seed, self.process.rank)).generate_state(1, np.uint64)[0]
            torch.manual_seed(int(drawn >> 1))

    def share(self, batch: Tensor) -> tuple[Tensor, float]:
        """Neighbors in the batch stay together. A process for which no row is left lends one, which counts nothing."""
        mine = torch.tensor_split(batch, self.process.size)[self.process.rank]
        for norm in self._batch_norms:
            norm.counts_rows = len(mine) > 0
        if not len(mine):
            return batch[:1], 0.0
        return mine, len(mine) * self.process.size / len(batch)


class FsdpStrategy(DdpStrategy):
    def wrap(self, network: nn.Module) -> nn.Module:
        model, mesh = self._copy(network), self._mesh
        for part in _parts(model):
            if sum(parameter.numel() for parameter in part.parameters()) >= _MIN_SHARD_PARAMETERS:
                fully_shard(part, mesh=mesh)
        fully_shard(model, mesh=mesh, reshard_after_forward=True)  # parameters are shares whenever one looks
        return model


class TensorParallelStrategy(DistributedStrategy):
    def wrap(self, network: nn.Module) -> nn.Module:
        model, mesh = copy.deepcopy(network), self._mesh
        plan = {name: style for part, module in model.named_modules() for name, style in self._plan(part, module)}
        parallelize_module(model, mesh, plan)
        return _Local(model, mesh)

    def _plan(self, prefix: str, module: nn.Module) -> Iterator[tuple[str, ParallelStyle]]:
        """Of each sequence, its linear layers: a pair with nothing but elementwise functions between speaks once."""
        if not isinstance(module, nn.Sequential):
            return
        waiting: str | None = None  # a layer whose units are shared, and not gathered yet
        for name, layer in module.named_children():
            place = f"{prefix}.{name}" if prefix else name
            if isinstance(layer, nn.Linear):
                if waiting is not None:
                    yield waiting, ColwiseParallel()
                    yield place, RowwiseParallel()
                    waiting = None
                elif layer.out_features % self.process.size == 0:
                    waiting = place
            elif waiting is not None and not isinstance(layer, _ELEMENTWISE):
                yield waiting, ColwiseParallel(output_layouts=Replicate())
                waiting = None
        if waiting is not None:
            yield waiting, ColwiseParallel(output_layouts=Replicate())


class _Local(nn.Module):
    """A network some of whose weights are cut. The others are whole in each process, and computed with as usual.

    An optimizer sees distributed tensors alone: it cannot take both kinds at once.
    """

    def __init__(self, network: nn.Module, mesh: DeviceMesh) -> None:
        super().__init__()
        self.module = network
        self._whole = [name for name, parameter in network.named_parameters() if not isinstance(parameter, DTensor)]
        for name in self._whole:
            owner, _, own_name = name.rpartition(".")
            parameter = network.get_parameter(name)
            replica = distribute_tensor(parameter.detach(), mesh, [Replicate()], src_data_rank=None)
            setattr(network.get_submodule(owner), own_name, nn.Parameter(replica, parameter.requires_grad))

    def forward(self, *inputs: Tensor) -> Any:
        local = {name: cast("DTensor", self.module.get_parameter(name)).to_local() for name in self._whole}
        return functional_call(self.module, local, inputs)


def _parts(model: nn.Module) -> Iterator[nn.Module]:
    """The layers of its sequences, the inner ones first."""
    for module in reversed(list(model.modules())):
        if isinstance(module, nn.Sequential | nn.ModuleList):
            yield from (layer for layer in module if not isinstance(layer, nn.Sequential | nn.ModuleList))


STRATEGIES: Mapping[str, type[DistributedStrategy]] = MappingProxyType(
    {"ddp": DdpStrategy, "fsdp": FsdpStrategy, "tensor": TensorParallelStrategy}
)
