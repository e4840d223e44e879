"""How fast is training? MNIST's 784-128-10 network with Adam in batches of 32, on one thread, samples per second.

Ours: the algorithm mlp, called like in a training job. The peers: a plain PyTorch DataLoader loop, and scikit-learn's
MLPClassifier as users call it. One epoch of each in turns, so that a busy machine slows all equally, in CPU seconds.
Then five seeds with 10 epochs each: the accuracies on all test images. Then eight trials of the network, sequentially
and stacked (training.search.stacked_trials), with one thread per processor. If there is a GPU, ours and the DataLoader
loop are also timed on it. Goals: 1.5 times the speed of the DataLoader loop, 2.4 times scikit-learn, stacked trials 2
times sequential ones, 10 times the DataLoader loop on a GPU; and a mean accuracy that is at most one standard error
below scikit-learn's. Data: the folder MODELDROP_DATA, or ../shared/data next to the repository.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # before benchmarks/, whose pipeline.py hides the package

import numpy as np
import torch
from common import report
from quality_data import DATA
from torch import nn

from pipeline.contracts.processors import count_processors
from pipeline.training.algorithm import FittedModel, Rows, RunContext, TrainingTask
from pipeline.training.algorithms import ALGORITHMS
from pipeline.training.search.stacked_trials import fit_stacked

SEEDS = (0, 1, 2, 3, 4)
TRIALS = 8
SETTINGS = {
    "hidden": (128,), "optimizer": "adam", "batch_size": 32, "dropout": 0.0, "weight_decay": 0.0,
    "learning_rate": 1e-3, "early_stopping": 1000,
}  # fmt: skip
ASKED = {"DataLoader": 1.5, "MLPClassifier": 2.4, "side by side": 2.0, "on the GPU": 10.0}


def read(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the images uint8 [rows, 28, 28] and labels int64 [rows] of MNIST (``name``: train or test)."""
    with np.load(DATA / "mnist" / f"{name}.npz") as arrays:
        return arrays["images"], arrays["labels"].astype(np.int64)


def rows(images: np.ndarray, labels: np.ndarray) -> Rows:
    """Return images and labels in the form that algorithms read."""
    none = len(labels), 0
    return Rows(num=np.empty(none, np.float32), cat=np.empty(none, np.int64), image=images[..., None], target=labels)


def task(seed: int) -> TrainingTask:
    """Return the task: train on all 60,000 images; the first 1,000 of them also are the validation rows."""
    images, labels = read("train")
    return TrainingTask(
        classes=10, cardinalities=(), train=rows(images, labels), validation=rows(images[:1000], labels[:1000]),
        seed=seed,
    )  # fmt: skip


def ours(data: TrainingTask, epochs: int, device: str = "cpu", **changed: Any) -> FittedModel:
    """Train the algorithm mlp like a training job; ``changed`` are further settings."""
    mlp = ALGORITHMS["mlp"]
    return mlp.train(mlp.configure({**SETTINGS, "epochs": epochs, **changed}), data, RunContext(device=device))


def loader_loop(seed: int, epochs: int, device: str = "cpu") -> nn.Module:
    """Train the network in a loop like in PyTorch's tutorials, and return it."""
    images, labels = read("train")
    torch.manual_seed(seed)
    pixels = torch.from_numpy(images).float().div(255).flatten(1)
    data = torch.utils.data.TensorDataset(pixels, torch.from_numpy(labels))
    batches = torch.utils.data.DataLoader(data, batch_size=32, shuffle=True)
    network = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(epochs):
        total = 0.0
        for batch, target in batches:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(batch.to(device)), target.to(device))
            loss.backward()
            optimizer.step()
            total += loss.item()
    return network


def classifier(seed: int, epochs: int) -> Any:
    """Train scikit-learn's MLPClassifier, and return it."""
    from sklearn.neural_network import MLPClassifier

    images, labels = read("train")
    model = MLPClassifier(hidden_layer_sizes=(128,), batch_size=32, max_iter=epochs, random_state=seed)
    return model.fit(images.reshape(len(images), -1) / 255, labels)


def seconds_of(work: dict[str, Callable[[], Any]], rounds: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Return the seconds of each call in each round, by name; calls alternate."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, call in work.items():
            began = clock()
            call()
            seconds[name].append(clock() - began)
    return seconds


def ratio(seconds: dict[str, list[float]], peer: str, side: str) -> float:
    """Return the median over the rounds of the peer's seconds divided by ``side``'s."""
    return statistics.median(
        peer_seconds / our_seconds for peer_seconds, our_seconds in zip(seconds[peer], seconds[side], strict=True)
    )


def speed(rounds: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Return the seconds of one epoch of ours and of each peer, per round."""
    data = task(0)
    return seconds_of(
        {
            "ours": lambda: ours(data, 1),
            "DataLoader": lambda: loader_loop(0, 1),
            "MLPClassifier": lambda: classifier(0, 1),
        },
        rounds,
        clock,
    )


def side_by_side(rounds: int) -> dict[str, list[float]]:
    """Return the elapsed seconds of eight trials, sequential and stacked, each with one thread and with all."""
    data, mlp, threads = task(0), ALGORITHMS["mlp"], count_processors()
    rates = [1e-3 * (1 + number / 10) for number in range(TRIALS)]
    trials = [mlp.configure({**SETTINGS, "epochs": 1, "learning_rate": rate}) for rate in rates]

    def one_after_another(threads: int) -> None:
        for trial in trials:
            mlp.train(trial, data, RunContext(threads=threads))

    work: dict[str, Callable[[], Any]] = {
        "one after another, 1 thread": lambda: one_after_another(1),
        "one after another": lambda: one_after_another(threads),
        "side by side, 1 thread": lambda: fit_stacked(trials, data, RunContext()),
        "side by side": lambda: fit_stacked(trials, data, RunContext(threads=threads)),
    }
    return seconds_of(work, rounds, time.perf_counter)


def accuracies(epochs: int) -> dict[str, list[float]]:
    """Train with each seed, and return the accuracies of ours and of each peer on the test images."""
    images, labels = read("test")
    tested = rows(images, labels)
    pixels = torch.from_numpy(images).float().div(255).flatten(1)
    accuracy_of: dict[str, list[float]] = {"ours": [], "DataLoader": [], "MLPClassifier": []}
    for seed in SEEDS:
        network = ours(task(seed), epochs)
        accuracy_of["ours"].append(float((network.predict(tested).argmax(1) == labels).mean()))
        predicted = loader_loop(seed, epochs)(pixels).argmax(1).numpy()
        accuracy_of["DataLoader"].append(float((predicted == labels).mean()))
        accuracy_of["MLPClassifier"].append(
            float(classifier(seed, epochs).score(images.reshape(len(images), -1) / 255, labels))
        )
        print(
            f"seed {seed}: " + ", ".join(f"{name} {values[-1]:.4f}" for name, values in accuracy_of.items()), flush=True
        )
    return accuracy_of


def on_the_gpu(rounds: int) -> dict[str, list[float]]:
    """Return the elapsed seconds of one epoch on the GPU, of ours and of the DataLoader loop, per round."""
    data = task(0)

    def train_on_device() -> None:
        ours(data, 1, "cuda:0")
        torch.cuda.synchronize()

    train_on_device()  # warm up the device
    work = {"ours": train_on_device, "DataLoader": lambda: loader_loop(0, 1, "cuda:0")}
    return seconds_of(work, rounds, time.perf_counter)


def main() -> None:
    """Measure speed and accuracy, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--epochs", type=int, default=10, help="epochs of each of the five seeds; 0: accuracies are not measured"
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # MLPClassifier warns that one epoch does not converge
    torch.set_num_threads(1)
    ours(replace(task(0), train=task(0).train.take(np.arange(3200))), 1)  # so that timings exclude imports
    alone = speed(arguments.rounds, time.process_time)
    stacked = side_by_side(max(3, arguments.rounds // 2))
    ratios = {peer: ratio(alone, peer, "ours") for peer in ("DataLoader", "MLPClassifier")}
    sequential = ("one after another, 1 thread", "one after another")
    ratios["side by side"] = min(ratio(stacked, peer, "side by side") for peer in sequential)
    ratios["side by side, 1 thread"] = ratio(stacked, sequential[0], "side by side, 1 thread")
    results: dict[str, Any] = {
        "seconds an epoch": {name: round(statistics.median(taken), 3) for name, taken in alone.items()},
        "samples a second": {name: round(60_000 / statistics.median(taken)) for name, taken in alone.items()},
        "eight trials, seconds an epoch": {name: round(statistics.median(taken), 3) for name, taken in stacked.items()},
    }
    if torch.cuda.is_available():
        on_device = on_the_gpu(arguments.rounds)
        ratios["on the GPU"] = ratio(on_device, "DataLoader", "ours")
        results["GPU"] = torch.cuda.get_device_name(0)
        results["GPU, seconds an epoch"] = {
            name: round(statistics.median(taken), 3) for name, taken in on_device.items()
        }
    met = all(ratios[name] >= bound for name, bound in ASKED.items() if name in ratios)
    if arguments.epochs:
        accuracy_of = accuracies(arguments.epochs)
        peer = accuracy_of["MLPClassifier"]
        error = statistics.stdev(peer) / len(peer) ** 0.5
        results["accuracy"] = {name: [round(value, 4) for value in values] for name, values in accuracy_of.items()}
        results["mean accuracy"] = {name: round(statistics.mean(values), 5) for name, values in accuracy_of.items()}
        results["standard error of MLPClassifier's"] = round(error, 5)
        met = met and statistics.mean(accuracy_of["ours"]) >= statistics.mean(peer) - error
    report(
        "training",
        results=results,
        floor=None,
        peers={name: results["samples a second"][name] for name in ("DataLoader", "MLPClassifier")},
        ratios={name: round(value, 2) for name, value in ratios.items()},
        met=met,
    )


if __name__ == "__main__":
    main()
