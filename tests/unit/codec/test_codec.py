"""A packed model file unpacks to the same bytes, and is much smaller if weights repeat."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest

from pipeline.codec.pack import pack
from pipeline.codec.tensors import TensorSpan
from pipeline.codec.unpack import is_packed, unpack

_BEFORE, _AFTER = b"\x08\x0aheader" * 20, b"outputs" * 30


def _file(weights: bytes) -> bytes:
    return _BEFORE + weights + _AFTER


def _span(weights: np.ndarray) -> TensorSpan:
    return TensorSpan(offset=len(_BEFORE), count=weights.size, width=weights.itemsize)


def _sparse(count: int, density: float, codes: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    codebook = random.normal(size=codes).astype(np.float32)
    weights = codebook[random.integers(codes, size=count)]
    weights[random.random(count) >= density] = 0.0
    return weights


@pytest.mark.parametrize(
    "weights",
    [
        np.random.default_rng(0).normal(size=3_000).astype(np.float32),
        np.random.default_rng(0).normal(size=3_000).astype(np.float16),
        np.random.default_rng(0).normal(size=500),
        np.random.default_rng(0).integers(-128, 127, size=3_000).astype(np.int8),
        np.arange(-200, 200),
        _sparse(30_000, 0.05, 16),
        _sparse(30_000, 0.001, 4),
        _sparse(30_000, 0.9, 200),
        np.random.default_rng(0).choice(np.arange(2_000, dtype=np.float32), size=30_000),
        np.where(np.random.default_rng(0).random(30_000) < 0.1, np.random.default_rng(1).normal(size=30_000), 0.0),
        np.zeros(5_000, np.float32),
        np.append(np.zeros(5_000, np.float32), np.float32(1.0)),
        np.append(np.float32(1.0), np.zeros(5_000, np.float32)),
        np.tile(np.array([0.0, -0.0, np.nan, np.inf, -np.inf], np.float32), 100),
    ],
    ids=[
        "dense", "float16", "float64", "int8", "int64", "sparse", "few weights, long gaps", "shared weights",
        "many codes", "sparse without codebook", "zeros", "last weight", "first weight", "signs and no numbers",
    ],
)  # fmt: skip
def test_unpacking_gives_the_same_bytes(weights: np.ndarray) -> None:
    file = _file(weights.tobytes())
    packed = pack(file, [_span(weights)])
    assert is_packed(packed)
    assert unpack(packed) == file


def test_a_list_with_a_tag_before_each_element_is_packed_like_a_tensor() -> None:
    weights = _sparse(2_000, 1.0, 60)
    records = np.empty((len(weights), 5), np.uint8)
    records[:, 0], records[:, 1:] = 0x3D, weights.view(np.uint8).reshape(-1, 4)
    file = _file(records.tobytes())
    tagged = pack(file, [TensorSpan(offset=len(_BEFORE), count=len(weights), width=4, tag=0x3D)])
    plain = pack(_file(weights.tobytes()), [_span(weights)])
    assert unpack(tagged) == file
    assert abs(len(tagged) - len(plain)) < 40


def test_a_file_without_large_tensors_and_one_with_several_are_packed() -> None:
    assert unpack(pack(_file(b""), [])) == _file(b"")
    first, second = _sparse(1_000, 0.2, 8), np.random.default_rng(3).normal(size=1_000).astype(np.float32)
    file = _BEFORE + first.tobytes() + _AFTER + second.tobytes()
    spans = [_span(first), TensorSpan(offset=len(file) - second.nbytes, count=1_000, width=4)]
    assert unpack(pack(file, spans)) == file


def test_sparse_shared_weights_take_little_more_than_their_entropy() -> None:
    """The 266,610 weights of LeNet-300-100, 6 % nonzero, 16 values: at most 10 % more than the entropy."""
    weights = _sparse(266_610, 0.06, 16)
    packed = pack(_file(weights.tobytes()), [_span(weights)])
    density = np.count_nonzero(weights) / len(weights)
    bits = len(weights) * (
        -density * math.log2(density) - (1 - density) * math.log2(1 - density) + density * math.log2(16)
    )
    assert len(packed) < 1.1 * bits / 8


def test_unpacking_a_file_that_is_not_packed_returns_it_unchanged() -> None:
    assert unpack(b"\x08\x0a an ONNX file") == b"\x08\x0a an ONNX file"


@pytest.mark.parametrize("kept", [6, 20, 60, 400, -1])
def test_a_truncated_packed_file_raises_a_value_error(kept: int) -> None:
    weights = _sparse(5_000, 0.1, 16)
    packed = pack(_file(weights.tobytes()), [_span(weights)])
    with pytest.raises(ValueError, match="packed model file"):
        unpack(packed[:kept])


def test_a_changed_byte_raises_at_most_a_value_error() -> None:
    """The sha256 of the stored bytes is checked earlier; unpacking must not raise another error."""
    weights = _sparse(2_000, 0.1, 16)
    packed = bytearray(pack(_file(weights.tobytes()), [_span(weights)]))
    for offset in range(0, len(packed), 7):
        changed = bytearray(packed)
        changed[offset] ^= 0x55
        with contextlib.suppress(ValueError):
            unpack(bytes(changed))
