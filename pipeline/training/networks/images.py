"""Networks that read images: uint8 [batch, height, width, channels] in, logits or one standardized value out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.training.loop.dense import Dense

__all__ = ["ConvNet", "PixelMLP", "PixelNormalizer", "ResNet", "to_unit_range"]

_MAX_SHIFT = 0.1  # fraction of the image's side
_MAX_ROTATION = math.radians(12)
_MAX_SCALE = 0.1  # maximum relative change of the size, up or down
_LARGE_SIDE = 24  # pixels; from this size on, the first convolution of a ResNet has a stride of 2
_MIN_SIDE = 4  # pixels; smaller feature maps are not halved


class PixelNormalizer(nn.Module):
    """Standardizes images per channel, and augments them in training.

    Augmentation shifts, rotates and scales each image slightly, and fills the gaps with its border pixels. Images are
    not mirrored, since mirroring changes the class of digits and letters.

    Args:
        image: Training images, uint8 [rows, height, width, channels], to compute each channel's mean and deviation of.
        jitter: Whether images are augmented in training.

    Shapes:
        ``forward``: uint8 [batch, height, width, channels] -> float32 [batch, channels, height, width].
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, image: npt.NDArray[np.uint8], *, jitter: bool) -> None:
        super().__init__()
        sampled = image[:: max(1, len(image) // 2000)].astype(np.float32)
        self.register_buffer("mean", torch.from_numpy(sampled.mean(axis=(0, 1, 2))))
        spread = sampled.std(axis=(0, 1, 2))
        self.register_buffer("scale", torch.from_numpy((1 / np.where(spread > 0, spread, 1)).astype(np.float32)))
        self.channels = image.shape[3]
        self.jitter = jitter

    def forward(self, image: Tensor) -> Tensor:
        """Return the standardized pixels [batch, channels, height, width]."""
        # Channels first, since onnxruntime broadcasts a short last axis slowly: 10 us for 28 x 28 pixels.
        planes = image.to(self.mean.dtype).permute(0, 3, 1, 2)
        standard = (planes - self.mean[:, None, None]) * self.scale[:, None, None]
        return _augment(standard) if self.training and self.jitter else standard


def _augment(images: Tensor) -> Tensor:
    """Shift, rotate and scale each image [batch, channels, height, width] at random."""
    count = len(images)
    drawn = torch.rand(4, count, device=images.device) * 2 - 1
    angle, size = drawn[0] * _MAX_ROTATION, 1 + drawn[1] * _MAX_SCALE
    cosine, sine = angle.cos() * size, angle.sin() * size
    shift = drawn[2:] * 2 * _MAX_SHIFT
    rows = [torch.stack([cosine, -sine, shift[0]], 1), torch.stack([sine, cosine, shift[1]], 1)]
    grid = nn.functional.affine_grid(torch.stack(rows, 1), [count, 1, *images.shape[2:]], align_corners=False)
    moved: Tensor = nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return moved


class _ConvolutionalNetwork(nn.Module):
    """Base class: a PixelNormalizer, convolutional layers, and a linear output layer."""

    pixels: PixelNormalizer
    layers: nn.Sequential
    answer: nn.Linear

    def forward(self, image: Tensor) -> Tensor:
        """Return the outputs [batch, outputs]."""
        outputs: Tensor = self.answer(self.layers(self.pixels(image)))
        return outputs


class ConvNet(_ConvolutionalNetwork):
    """Pairs of 3 x 3 convolutions with batch norm, each pair halving the size, and a linear layer over all positions.

    Args:
        image: The training images, uint8 [rows, height, width, channels].
        outputs: Number of outputs.
        hidden: Channels of each pair of convolutions.
        dropout: Probability that an input of the linear layer is dropped in training.
        jitter: Whether images are augmented in training.

    Shapes:
        ``forward``: uint8 [batch, height, width, channels] -> [batch, outputs].

    References:
        Simonyan and Zisserman 2015, Very Deep Convolutional Networks for Large-Scale Image Recognition.
    """

    def __init__(
        self, image: npt.NDArray[np.uint8], *, outputs: int, hidden: Sequence[int], dropout: float, jitter: bool
    ) -> None:
        super().__init__()
        self.pixels = PixelNormalizer(image, jitter=jitter)
        layers: list[nn.Module] = []
        channels, height, width = self.pixels.channels, *image.shape[1:3]
        for filters in hidden:
            halves = min(height, width) >= _MIN_SIDE
            layers += [*_convolution(channels, filters, stride=2 if halves else 1), *_convolution(filters, filters)]
            height, width = (-(-side // 2) if halves else side for side in (height, width))
            channels = filters
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(dropout))
        self.answer = nn.Linear(channels * height * width, outputs)


def _convolution(channels: int, filters: int, *, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, filters, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(inplace=True),
    ]


class ResNet(_ConvolutionalNetwork):
    """Groups of residual blocks, each at half the size of the group before, average pooling, and a linear layer.

    Args:
        image: The training images, uint8 [rows, height, width, channels].
        outputs: Number of outputs.
        hidden: Channels of each group.
        blocks: Number of residual blocks per group.
        dropout: Probability that an input of the linear layer is dropped in training.
        jitter: Whether images are augmented in training.

    Shapes:
        ``forward``: uint8 [batch, height, width, channels] -> [batch, outputs].

    References:
        He et al. 2016, Deep Residual Learning for Image Recognition.
    """

    def __init__(  # noqa: PLR0913 - the network's sizes, keyword-only
        self, image: npt.NDArray[np.uint8], *, outputs: int, hidden: Sequence[int], blocks: int, dropout: float,
        jitter: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.pixels = PixelNormalizer(image, jitter=jitter)
        side, channels = min(image.shape[1:3]), hidden[0]
        large = side >= _LARGE_SIDE
        side = -(-side // 2) if large else side
        layers: list[nn.Module] = _convolution(self.pixels.channels, channels, stride=2 if large else 1)
        for stage, filters in enumerate(hidden):
            for block in range(blocks):
                halves = stage > 0 and block == 0 and side >= _MIN_SIDE
                side = -(-side // 2) if halves else side
                layers.append(_Residual(channels, filters, stride=2 if halves else 1))
                channels = filters
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        self.answer = nn.Linear(channels, outputs)


class _Residual(nn.Module):
    """Two 3 x 3 convolutions with a skip connection, which is a 1 x 1 convolution if the shape changes."""

    def __init__(self, channels: int, filters: int, *, stride: int) -> None:
        super().__init__()
        first, second = _convolution(channels, filters, stride=stride), _convolution(filters, filters)
        self.inner = nn.Sequential(*first, *second[:-1])
        past = [nn.Conv2d(channels, filters, 1, stride=stride, bias=False), nn.BatchNorm2d(filters)]
        self.past = nn.Sequential(*(past if stride > 1 or channels != filters else []))

    def forward(self, inputs: Tensor) -> Tensor:
        total: Tensor = self.inner(inputs) + self.past(inputs)
        return total.relu()


class PixelMLP(Dense):
    """A multilayer perceptron over pixels scaled to [0, 1].

    Args:
        image: The training images, uint8 [rows, height, width, channels].
        outputs: Number of outputs.
        hidden: Units of each hidden layer.
        dropout: Probability that a hidden unit is dropped in training.

    Shapes:
        ``forward``: uint8 [batch, height, width, channels] -> [batch, outputs].
    """

    def __init__(self, image: npt.NDArray[np.uint8], *, outputs: int, hidden: Sequence[int], dropout: float) -> None:
        super().__init__([math.prod(image.shape[1:]), *hidden, outputs], dropout)

    def forward(self, image: Tensor) -> Tensor:
        """Return the outputs [batch, outputs]."""
        return super().forward(to_unit_range(image))

    def forward_backward(self, inputs: Tensor, target: Tensor, loss_scale: float) -> Tensor:
        """Set ``grad`` of the weights to the gradient of the mean cross-entropy; ``inputs`` are images."""
        return super().forward_backward(to_unit_range(inputs), target, loss_scale)


def to_unit_range(image: Tensor) -> Tensor:
    """Return the pixels [batch, pixels] scaled to [0, 1]."""
    return image.flatten(1).float() / 255
