"""Is the served model as good as an expert's? Ours against LightGBM and CatBoost, on the same rows and threads.

Ours: the pipeline's own functions from the rows to the served ONNX file, with a budget of 5 minutes per data set;
onnxruntime's predictions for the test rows are measured. The peers: LightGBM and CatBoost with default settings, and
with 1,000 and 2,000 rounds; for texts scikit-learn's TF-IDF with LinearSVC, and naive Bayes; for images MLPClassifier.
Small tables are split five times, and the mean counts. Goals: ours is on no data set worse than the best peer by more
than the confidence interval; on average over all data sets, its error is smaller than each peer's (relative to the
larger of both errors). The benchmark prints the table of variants of each data set; every winner must pass its gates,
and no other variant may beat it in quality, bytes and latency.
Data: the folder MODELDROP_DATA, or ../shared/data next to the repository; some data sets come with scikit-learn.
"""

from __future__ import annotations

import os

# Waiting threads sleep instead of spinning, which makes a network's steps 30 times slower on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # before benchmarks/, whose pipeline.py hides the package

import numpy as np
import polars as pl
from common import report
from quality_data import IMAGES, SMALL_TABLES, TABLES, TEXTS, DataSet, Load
from quality_image_peers import IMAGE_PEERS, image_answer_of
from quality_ours import make
from quality_peers import PEERS, answer_of
from quality_text_peers import TEXT_PEERS, text_answer_of
from quality_variants import describe_variants, failed_promises, print_table

from pipeline.contracts.signature import Signature
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.scoring import Predictions, truth

BUDGET = 300.0  # seconds per data set, everything included
DRAWS = 1000  # bootstrap samples
SPLITS = 5  # random splits of a small table
TARGETS: dict[str, dict[str, tuple[str, float]]] = {
    "adult": {"accuracy": (">=", 0.874), "auc": (">=", 0.929)},
    "california_housing": {"rmse": ("<=", 42_900)},
    "ag_news": {"accuracy": (">=", 0.900)},
    "mnist": {"accuracy": (">=", 0.995)},
}


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split of a data set, with the predictions of ours and of the peers for its test rows."""

    signature: Signature
    true: Any
    predictions: dict[str, Predictions]  # "ours" or name of a peer -> predictions
    seconds: dict[str, float]
    chosen: str
    board: dict[str, Any]
    variants: dict[str, Any]  # name -> measurements, and why the variant is served or not
    sound: bool  # whether the winner passed its gates and no variant beats it in quality, latency and size

    @property
    def metric(self) -> str:
        """The metric that is compared: accuracy, or RMSE for regression."""
        return "rmse" if self.signature.task == "regression" else "accuracy"

    def quality(self, who: str) -> dict[str, float]:
        """Return the metrics of ours (``"ours"``) or of a peer on the test rows."""
        return measure(self.signature, self.true, self.predictions[who])

    def losses(self, who: str) -> Any:
        """Return the loss of each row [rows]: 1 for a wrong label, else 0; for regression the squared error."""
        predictions = self.predictions[who]
        if self.metric == "accuracy":
            return (predictions.labels != self.true).astype(np.float64)
        return (predictions.values.astype(np.float64) - self.true) ** 2


def run_split(  # noqa: PLR0913 - the rows, the peers, and the resources of both
    name: str,
    data_set: DataSet,
    *,
    budget: float,
    threads: int,
    peers: Iterable[str] = PEERS,
    predict: Callable[..., Any] = answer_of,
) -> Split:
    """Run ours and the peers on one split.

    Args:
        name: Name of the data set, for messages.
        data_set: Rows of the split.
        budget: Seconds of ours.
        threads: Number of threads.
        peers: Names of the peers.
        predict: Fits a peer, and returns its predictions for the test rows.
    """
    with tempfile.TemporaryDirectory() as folder:
        ours = make(data_set, Path(folder), budget=budget, threads=threads)
        splits = ours.data.read_splits()
    say(f"{name}: ours {ours.chosen} in {ours.seconds:.0f} s")
    variants = describe_variants(ours.selection)
    say(f"{name}: variants by {ours.selection.metric}; {ours.selection.reason}\n{print_table(variants)}")
    signature = ours.data.dataset.signature
    test, learn = splits["test"], pl.concat([splits["train"], splits["validation"]])
    true = truth(test, signature)
    predictions, seconds = {"ours": ours.predictions}, {"ours": ours.seconds}
    for peer in peers:
        began = time.perf_counter()
        outputs = predict(peer, learn, test, target=signature.target, classes=signature.classes, threads=threads)
        predictions[peer] = Predictions.of(
            signature, outputs.reshape(len(true), -1) if signature.classes else outputs.reshape(-1)
        )
        seconds[peer] = time.perf_counter() - began
        say(f"{name}: {peer} in {seconds[peer]:.0f} s")
    return Split(
        signature=signature,
        true=true,
        predictions=predictions,
        seconds=seconds,
        chosen=ours.chosen,
        board=ours.board,
        variants=variants,
        sound=not failed_promises(ours.selection, ours.data.spec.compression),
    )


def compare(name: str, splits: Sequence[Split]) -> dict[str, Any]:
    """Return the mean measurements of ours and of each peer over the splits, and the interval to the best peer."""
    metric, everybody = splits[0].metric, list(splits[0].predictions)
    qualities = {who: [split.quality(who) for split in splits] for who in everybody}
    quality = {who: {key: mean(split[key] for split in of) for key in of[0]} for who, of in qualities.items()}
    seconds = {who: [split.seconds[who] for split in splits] for who in everybody}
    sign = -1 if metric == "rmse" else 1
    peers = [who for who in everybody if who != "ours"]
    best = max(peers, key=lambda peer: sign * quality[peer][metric])
    low, high = interval(splits, best)
    return {
        "metric": metric,
        "splits": len(splits),
        "chosen": [split.chosen for split in splits],
        "seconds": {who: round(max(taken), 1) for who, taken in seconds.items()},
        "quality": {who: {key: round(value, 5) for key, value in of.items()} for who, of in quality.items()},
        "each": {who: [round(split[metric], 5) for split in of] for who, of in qualities.items()},
        "best_peer": best,
        "ours_minus_best": round(quality["ours"][metric] - quality[best][metric], 5),
        "interval": [round(low, 5), round(high, 5)],
        "no_worse": (high if sign > 0 else -low) >= 0,
        "saved": {peer: round(saved(quality["ours"][metric], quality[peer][metric], metric), 4) for peer in peers},
        "targets": targets(name, quality["ours"], max(seconds["ours"])),
        "board": splits[0].board,
        "variants": splits[0].variants,
        "choice_is_sound": all(split.sound for split in splits),
    }


def interval(splits: Sequence[Split], peer: str) -> tuple[float, float]:
    """Return the 95 % interval of the metric's difference, by a paired bootstrap of the test rows of each split."""
    random = np.random.default_rng(0)
    pairs = [(split.losses("ours"), split.losses(peer)) for split in splits]

    def draw(ours_of_rows: Any, theirs_of_rows: Any) -> float:
        rows = random.integers(0, len(ours_of_rows), len(ours_of_rows))
        ours, theirs = ours_of_rows[rows].mean(), theirs_of_rows[rows].mean()
        return float(theirs - ours if splits[0].metric == "accuracy" else np.sqrt(ours) - np.sqrt(theirs))

    low, high = np.percentile([mean(draw(*pair) for pair in pairs) for _ in range(DRAWS)], [2.5, 97.5])
    return float(low), float(high)


def saved(ours: float, theirs: float, metric: str) -> float:
    """Return by how much our error is smaller, relative to the larger of both errors; negative if ours is larger."""
    our_error, their_error = (1 - ours, 1 - theirs) if metric == "accuracy" else (ours, theirs)
    return (their_error - our_error) / max(our_error, their_error) if max(our_error, their_error) > 0 else 0.0


def targets(name: str, quality: dict[str, float], seconds: float) -> dict[str, bool]:
    """Return for each absolute goal of a data set, and for the budget, whether it is met."""
    bounds = TARGETS.get(name, {})
    met = {
        f"{metric} {sign} {bound:g}": quality[metric] >= bound if sign == ">=" else quality[metric] <= bound
        for metric, (sign, bound) in bounds.items()
    }
    return met | {f"within {BUDGET:.0f} s": seconds <= BUDGET}


def say(text: str) -> None:
    """Print a message to stderr."""
    print(text, file=sys.stderr, flush=True)


_TEXT: dict[str, Any] = {"peers": TEXT_PEERS, "predict": text_answer_of}
_IMAGE: dict[str, Any] = {"peers": IMAGE_PEERS, "predict": image_answer_of}
# Data set -> function that loads a split, number of splits, and options of run_split for its peers.
PARTS: dict[str, tuple[Load, int, dict[str, Any]]] = {
    **{name: (load, 1, {}) for name, load in TABLES.items()},
    **{name: (load, SPLITS, {}) for name, load in SMALL_TABLES.items()},
    **{name: (load, 1, _TEXT) for name, load in TEXTS.items()},
    **{name: (load, 1, _IMAGE) for name, load in IMAGES.items()},
}


def main() -> None:
    """Compare on the data sets on the command line, or on all of them, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=sorted(PARTS), help="only this data set; may be repeated")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--splits", type=int, default=SPLITS, help="largest number of splits of a small table")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds per data set")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    results = {}
    for name in arguments.only or PARTS:
        load, splits, peers = PARTS[name]
        several = range(min(splits, arguments.splits))
        runs = [
            run_split(name, load(split), budget=arguments.budget, threads=arguments.threads, **peers)
            for split in several
        ]
        results[name] = compare(name, runs)
        say(json.dumps({name: results[name]}))
    average = {
        peer: round(
            float(np.mean([result["saved"][peer] for result in results.values() if peer in result["saved"]])), 4
        )
        for peer in dict.fromkeys(peer for result in results.values() for peer in result["saved"])
    }
    met = all(
        result["no_worse"] and result["choice_is_sound"] and all(result["targets"].values())
        for result in results.values()
    )
    report(
        "quality",
        results=results,
        floor=None,
        peers={name: result["quality"][result["best_peer"]] for name, result in results.items()},
        ratios={f"error saved on average, beside {peer}": saving for peer, saving in average.items()},
        met=met and min(average.values()) > 0,
    )


if __name__ == "__main__":
    main()
