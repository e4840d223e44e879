"""Is the served model as good as an expert's? Ours against LightGBM and CatBoost, on the same rows and threads.

Ours: the pipeline's own functions from the rows to the served ONNX file, in a budget of 5 minutes a data set; measured
are onnxruntime's answers to the rows that test. The peers: default settings, 1,000 and 2,000 rounds;
of texts scikit-learn's TF-IDF with LinearSVC, and naive Bayes; of images its MLPClassifier.
The X set is ours worse than its best peer by more than the interval tells; and over the data
sets it is better than each peer on average (of the share of the larger of both errors that it saves).
Data: the folder MODELDROP_DATA, or ../shared/data beside the repository; some comes with scikit-learn.
"""

from __future__ import annotations

import os

# Threads that wait for each other sleep: on a machine that has other work a network's steps take 30 times as long else.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where pipeline.py is a benchmark

import numpy as np
import polars as pl
from common import report
from quality_data import IMAGES, TABLES, TEXTS, DataSet
from quality_image_peers import IMAGE_PEERS, image_answer_of
from quality_ours import Made, make
from quality_peers import PEERS, answer_of
from quality_text_peers import TEXT_PEERS, text_answer_of

from pipeline.contracts.signature import Signature
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.scoring import Answers, truth

BUDGET = 300.0  # seconds a data set, with everything
DRAWS = 1000
TARGETS: dict[str, dict[str, tuple[str, float]]] = {
    "adult": {"accuracy": (">=", 0.874), "auc": (">=", 0.929)},
    "california_housing": {"rmse": ("<=", 42_900)},
    "ag_news": {"accuracy": (">=", 0.900)},
    "mnist": {"accuracy": (">=", 0.995)},
}


def compare(  # noqa: PLR0913 - the rows, the peers, and what both may use
    name: str,
    given: DataSet,
    *,
    budget: float,
    threads: int,
    peers: Iterable[str] = PEERS,
    answered: Callable[..., Any] = answer_of,
) -> dict[str, Any]:
    """One data set: ours, every peer, and the interval of the difference to the best of them."""
    with tempfile.TemporaryDirectory() as folder:
        ours = make(given, Path(folder), budget=budget, threads=threads)
    say(f"{name}: ours {ours.chosen} in {ours.seconds:.0f} s")
    signature = ours.data.dataset.signature
    test = ours.data.splits["test"]
    learn = pl.concat([ours.data.splits["train"], ours.data.splits["validation"]])
    true = truth(test, signature)
    answers, seconds = {"ours": ours.answers}, {"ours": ours.seconds}
    for peer in peers:
        began = time.perf_counter()
        found = answered(peer, learn, test, target=signature.target, classes=signature.classes, threads=threads)
        answers[peer] = Answers.of(signature, found.reshape(len(true), -1) if signature.classes else found.reshape(-1))
        seconds[peer] = time.perf_counter() - began
        say(f"{name}: {peer} in {seconds[peer]:.0f} s")
    quality = {one: measure(signature, true, given) for one, given in answers.items()}
    metric = "rmse" if signature.task == "regression" else "accuracy"
    sign = -1 if metric == "rmse" else 1
    best = max(peers, key=lambda peer: sign * quality[peer][metric])
    low, high = interval(signature, true, answers["ours"], answers[best], metric)
    return {
        "metric": metric,
        "chosen": ours.chosen,
        "seconds": {one: round(taken, 1) for one, taken in seconds.items()},
        "quality": {one: {key: round(value, 5) for key, value in of.items()} for one, of in quality.items()},
        "best_peer": best,
        "ours_minus_best": round(quality["ours"][metric] - quality[best][metric], 5),
        "interval": [round(low, 5), round(high, 5)],
        "no_worse": (high if sign > 0 else -low) >= 0,
        "saved": {peer: round(saved(quality["ours"][metric], quality[peer][metric], metric), 4) for peer in peers},
        "targets": targets(name, quality["ours"], ours),
        "board": ours.board,
    }


def interval(signature: Signature, true: Any, ours: Answers, theirs: Answers, metric: str) -> tuple[float, float]:
    """Of the metric's difference, 95 %: percentiles over rows drawn anew, the same rows for both."""
    random = np.random.default_rng(0)
    differences = []
    if metric == "accuracy":
        mine, other = (given.labels == true for given in (ours, theirs))
    else:
        mine, other = ((given.values.astype(np.float64) - true) ** 2 for given in (ours, theirs))
    for _ in range(DRAWS):
        rows = random.integers(0, len(true), len(true))
        pair = mine[rows].mean(), other[rows].mean()
        differences.append(pair[0] - pair[1] if metric == "accuracy" else np.sqrt(pair[0]) - np.sqrt(pair[1]))
    low, high = np.percentile(differences, [2.5, 97.5])
    return float(low), float(high)


def saved(ours: float, theirs: float, metric: str) -> float:
    """Of the larger of both errors, the share by which ours is less; negative where it is more."""
    mine, other = (1 - ours, 1 - theirs) if metric == "accuracy" else (ours, theirs)
    return (other - mine) / max(mine, other) if max(mine, other) > 0 else 0.0


def targets(name: str, quality: dict[str, float], ours: Made) -> dict[str, bool]:
    wanted = TARGETS.get(name, {})
    met = {
        f"{metric} {sign} {bound:g}": quality[metric] >= bound if sign == ">=" else quality[metric] <= bound
        for metric, (sign, bound) in wanted.items()
    }
    return met | {f"within {BUDGET:.0f} s": ours.seconds <= BUDGET}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# A part: its name -> what compares ours with its peers. Texts and images have their own, beside these.
PARTS: dict[str, Callable[..., dict[str, Any]]] = (
    {
        name: lambda budget, threads, name=name, load=load: compare(name, load(), budget=budget, threads=threads)
        for name, load in TABLES.items()
    }
    | {
        name: lambda budget, threads, name=name, load=load: compare(
            name, load(), budget=budget, threads=threads, peers=TEXT_PEERS, answered=text_answer_of
        )
        for name, load in TEXTS.items()
    }
    | {
        name: lambda budget, threads, name=name, load=load: compare(
            name, load(), budget=budget, threads=threads, peers=IMAGE_PEERS, answered=image_answer_of
        )
        for name, load in IMAGES.items()
    }
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", action="append", choices=sorted(PARTS), help="this part alone; may be repeated")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--budget", type=float, default=BUDGET, help="seconds a data set")
    asked = arguments.parse_args()
    warnings.simplefilter("ignore")
    found = {}
    for name in asked.only or PARTS:
        found[name] = PARTS[name](budget=asked.budget, threads=asked.threads)
        say(json.dumps({name: found[name]}))
    average = {
        peer: round(float(np.mean([one["saved"][peer] for one in found.values() if peer in one["saved"]])), 4)
        for peer in dict.fromkeys(peer for one in found.values() for peer in one["saved"])
    }
    met = all(one["no_worse"] and all(one["targets"].values()) for one in found.values())
    report(
        "quality",
        results=found,
        floor=None,
        peers={name: one["quality"][one["best_peer"]] for name, one in found.items()},
        ratios={f"error saved on average, beside {peer}": share for peer, share in average.items()},
        met=met and min(average.values()) > 0,
    )


if __name__ == "__main__":
    main()
