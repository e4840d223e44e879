"""Strategies by which several processes train one network.

``ddp``: data parallel; each process has the whole network and a shard of every batch (Li et al. 2020). ``fsdp``: fully
sharded data parallel; each process also keeps only a shard of weights, gradients and optimizer state (FSDP2;
Rajbhandari et al. 2020, Zhao et al. 2023). ``tensor``: tensor parallel; all processes see the whole batch, and each has
a shard of the units of the linear layers (Shoeybi et al. 2019).
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
from pipeline.training.distributed.strategy import Strategy, T, map_tensors

__all__ = ["STRATEGIES"]

_MIN_SHARD_PARAMETERS = 1_000_000  # layers with fewer are sharded together as one unit
_ELEMENTWISE = (nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Dropout, nn.Identity)  # can be applied to a shard of the units


class DistributedStrategy(Strategy):
    """Base class of strategies that run one model on several processes.

    All-reducing a value that is equal on all ranks leaves it unchanged, so callers may always call ``all_reduce_mean``.
    """

    def __init__(self, process: Process, device: str) -> None:
        super().__init__(process)
        self._device = device

    @property
    def _mesh(self) -> DeviceMesh:
        return init_device_mesh(self._device.split(":", maxsplit=1)[0], (self.process.size,))

    def all_reduce_mean(self, value: Tensor) -> Tensor:
        """Return the mean of all processes' values, without a gradient. Collective."""
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.process.size

    def broadcast(self, value: T) -> T:
        """Return the main process's value. Collective."""
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, by rank. Collective."""
        values: list[Any] = [None] * self.process.size
        dist.all_gather_object(values, value)
        return values

    def gather_full(self, tree: Any) -> Any:
        """Gather full tensors on the CPU of the main process. Collective."""
        full = map_tensors(tree, self._full_tensor_on_main)
        return full if self.is_main else {}

    def _full_tensor_on_main(self, tensor: Tensor) -> Tensor:
        """Gather a sharded tensor on all devices, one tensor at a time; only the main process keeps it."""
        full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        return full.detach().to("cpu", copy=True) if self.is_main else torch.empty(0)

    def _unwrap(self, model: nn.Module) -> nn.Module:
        return cast("nn.Module", model.module) if isinstance(model, DistributedDataParallel | _Local) else model

    def _meta_state(self, state: Mapping[str, Any], parameters: list[Tensor]) -> dict[str, Any]:
        return self.broadcast(super()._meta_state(state, parameters) if self.is_main else {})

    def _shard(self, full: Tensor | None, like: Tensor) -> Tensor:
        local = like.to_local() if isinstance(like, DTensor) else like
        if full is None:
            tensor = torch.empty(like.shape, dtype=like.dtype, device=local.device)
        else:
            tensor = full.to(local.device, like.dtype, copy=True).contiguous()
        if isinstance(like, DTensor):
            return distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=0)
        dist.broadcast(tensor, src=0)
        return tensor


class DdpStrategy(DistributedStrategy):
    """Data parallel: each process has the whole network and a shard of every batch."""

    def __init__(self, process: Process, device: str) -> None:
        super().__init__(process, device)
        self._batch_norms: list[SynchronizedBatchNorm] = []

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return DistributedDataParallel around a copy of the network."""
        return DistributedDataParallel(self._copy(network))

    def _copy(self, network: nn.Module) -> nn.Module:
        """Copy the network with batch norms that see the rows of all processes."""
        model = synchronize_batch_norms(copy.deepcopy(network))
        self._batch_norms = [module for module in model.modules() if isinstance(module, SynchronizedBatchNorm)]
        return model

    def seed_ranks(self, *seed: int) -> None:
        """Seed all processes but the main one by their rank."""
        if not self.is_main:
            drawn = np.random.SeedSequence((*seed, self.process.rank)).generate_state(1, np.uint64)[0]
            torch.manual_seed(int(drawn >> 1))

    def shard_batch(self, batch: Tensor) -> tuple[Tensor, float]:
        """Return a contiguous shard; a process without a row in the batch gets its first row, with a factor of 0."""
        shard = torch.tensor_split(batch, self.process.size)[self.process.rank]
        for norm in self._batch_norms:
            norm.counts_rows = len(shard) > 0
        if not len(shard):
            return batch[:1], 0.0
        return shard, len(shard) * self.process.size / len(batch)


class FsdpStrategy(DdpStrategy):
    """Fully sharded data parallel: each process keeps a shard of weights, gradients and optimizer state."""

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return a copy of the network with sharded parameters."""
        model, mesh = self._copy(network), self._mesh
        for layer in _sequence_layers(model):
            if sum(parameter.numel() for parameter in layer.parameters()) >= _MIN_SHARD_PARAMETERS:
                fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh, reshard_after_forward=True)  # parameters are always shards outside of forward
        return model


class TensorParallelStrategy(DistributedStrategy):
    """Tensor parallel: each process has a shard of the units of the linear layers, and sees the whole batch."""

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return a copy of the network with sharded linear layers."""
        model, mesh = copy.deepcopy(network), self._mesh
        plan = {name: style for prefix, module in model.named_modules() for name, style in self._plan(prefix, module)}
        parallelize_module(model, mesh, plan)
        return _Local(model, mesh)

    def _plan(self, prefix: str, module: nn.Module) -> Iterator[tuple[str, ParallelStyle]]:
        """Plan the linear layers of a sequence.

        Of a pair of linear layers with only elementwise functions in between, the first is sharded by columns and the
        second by rows, so that they communicate once.
        """
        if not isinstance(module, nn.Sequential):
            return
        waiting: str | None = None  # a layer to shard by columns, whose outputs are not gathered yet
        for name, layer in module.named_children():
            path = f"{prefix}.{name}" if prefix else name
            if isinstance(layer, nn.Linear):
                if waiting is not None:
                    yield waiting, ColwiseParallel()
                    yield path, RowwiseParallel()
                    waiting = None
                elif layer.out_features % self.process.size == 0:
                    waiting = path
            elif waiting is not None and not isinstance(layer, _ELEMENTWISE):
                yield waiting, ColwiseParallel(output_layouts=Replicate())
                waiting = None
        if waiting is not None:
            yield waiting, ColwiseParallel(output_layouts=Replicate())


class _Local(nn.Module):
    """A network with some sharded weights; the other weights are replicated, and used as local tensors.

    The replicated weights are DTensors, too, since an optimizer cannot mix DTensors and plain tensors.
    """

    def __init__(self, network: nn.Module, mesh: DeviceMesh) -> None:
        super().__init__()
        self.module = network
        self._replicated = [
            name for name, parameter in network.named_parameters() if not isinstance(parameter, DTensor)
        ]
        for name in self._replicated:
            owner, _, attribute = name.rpartition(".")
            parameter = network.get_parameter(name)
            replica = distribute_tensor(parameter.detach(), mesh, [Replicate()], src_data_rank=None)
            setattr(network.get_submodule(owner), attribute, nn.Parameter(replica, parameter.requires_grad))

    def forward(self, *inputs: Tensor) -> Any:
        local = {name: cast("DTensor", self.module.get_parameter(name)).to_local() for name in self._replicated}
        return functional_call(self.module, local, inputs)


def _sequence_layers(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers of the model's sequences, the inner ones first."""
    for module in reversed(list(model.modules())):
        if isinstance(module, nn.Sequential | nn.ModuleList):
            yield from (layer for layer in module if not isinstance(layer, nn.Sequential | nn.ModuleList))


STRATEGIES: Mapping[str, type[DistributedStrategy]] = MappingProxyType(
    {"ddp": DdpStrategy, "fsdp": FsdpStrategy, "tensor": TensorParallelStrategy}
)
