"""Requirements that every image algorithm meets."""

from __future__ import annotations

import onnx
import pytest
import torch

from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.planning.plan import plan
from pipeline.training.networks.images import ConvNet, PixelNormalizer, ResNet
from tests.fakes.imaging import pictures
from tests.fakes.training import TrainIt

NAMES = ["mlp", "cnn", "resnet"]


@pytest.mark.parametrize(("algorithm", "channels"), [("mlp", 1), ("cnn", 1), ("resnet", 3)])
def test_an_image_model_learns_shapes_and_is_served_like_the_trained_model(
    algorithm: str, channels: int, train: TrainIt
) -> None:
    run = train(algorithm, pictures(channels=channels))
    assert run.trained.quality["accuracy"] > (0.5 if algorithm == "mlp" else 0.9)
    assert run.difference() < 1e-5
    served = onnx.load(run.folder / "model.onnx")
    (graph_input,) = served.graph.input
    assert (graph_input.name, graph_input.type.tensor_type.elem_type) == ("image", onnx.TensorProto.UINT8)


def test_a_regression_on_images_is_learned(train: TrainIt) -> None:
    run = train("cnn", pictures(regression=True))
    assert run.trained.quality["r2"] > 0.5
    assert run.difference() < 1e-5


def test_the_same_seed_gives_the_same_file(train: TrainIt) -> None:
    rows = pictures(rows=60)
    first, second = (train("cnn", rows, seed=7, epochs=2).trained.model_sha256 for _ in range(2))
    assert first == second


def test_a_network_learns_from_images_with_mixup(train: TrainIt) -> None:
    assert train("cnn", pictures(), mixup=0.2).trained.quality["accuracy"] > 0.8


def test_a_plan_for_images_has_the_image_algorithms() -> None:
    planned = plan(pictures(rows=300).dataset, JobSpec())
    assert {candidate.algorithm for candidate in planned.candidates} >= set(NAMES)
    reasons = {skipped.algorithm: skipped.reason for skipped in planned.skipped}
    assert "numbers" in reasons["random_forest"]


@pytest.mark.parametrize("height", [5, 8, 33])
def test_networks_take_images_of_any_size(height: int) -> None:
    image = torch.randint(0, 256, (4, height, 9, 3), dtype=torch.uint8)
    options = {"outputs": 2, "hidden": (4, 8, 8, 8), "dropout": 0.1, "jitter": True}
    for network in (ConvNet(image.numpy(), **options), ResNet(image.numpy(), blocks=2, **options)):
        assert network(image).shape == (4, 2)


def test_pixels_are_jittered_only_in_training() -> None:
    torch.manual_seed(0)
    image = torch.randint(0, 256, (40, 9, 9, 1), dtype=torch.uint8)
    pixels = PixelNormalizer(image.numpy(), jitter=True)
    moved = pixels(image)
    still = pixels.eval()(image)
    assert not torch.equal(moved, still)
    assert (still.mean().item(), still.std().item()) == pytest.approx((0, 1), abs=0.01)
    assert moved.mean().item() == pytest.approx(0, abs=0.1)
