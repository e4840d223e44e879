"""Is the served model as good as an expert's? Ours against LightGBM and CatBoost, on the same rows and threads.

Ours: the pipeline's own functions from the rows to the served ONNX file, in a budget of 5 minutes a data set; measured
are onnxruntime's predictions for the test rows. The peers: default settings, 1,000 and 2,000 rounds; of texts
scikit-learn's TF-IDF with LinearSVC, and naive Bayes; of images its MLPClassifier. Small tables are split in five
ways, and the mean counts. Goal: on no data set is ours worse than its best peer by more than the interval allows,
and over all of them it is better than each peer on average (of the share of the larger of both errors that it saves).
The table of variants of each data set is printed, and no choice may be outside its gates or beaten on all three axes.
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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where pipeline.py is a benchmark

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

BUDGET = 300.0  # seconds a data set, with everything
DRAWS = 1000
SPLITS = 5  # of a small table
TARGETS: dict[str, dict[str, tuple[str, float]]] = {
    "adult": {"accuracy": (">=", 0.874), "auc": (">=", 0.929)},
    "california_housing": {"rmse": ("<=", 42_900)},
    "ag_news": {"accuracy": (">=", 0.900)},
    "mnist": {"accuracy": (">=", 0.995)},
}


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split of a data set, and what everybody predicts for its test rows."""

    signature: Signature
    true: Any
    predictions: dict[str, Predictions]  # ours, and each peer's
    seconds: dict[str, float]
    chosen: str
    board: dict[str, Any]
    variants: dict[str, Any]  # name -> measures, and why it is served or not
    sound: bool  # the winner passed its gates, and no variant beats it in quality, latency and size

    @property
    def metric(self) -> str:
        return "rmse" if self.signature.task == "regression" else "accuracy"

    def quality(self, who: str) -> dict[str, float]:
        return measure(self.signature, self.true, self.predictions[who])

    def losses(self, who: str) -> Any:
        """Of each row: 1 where the label is wrong, or the squared error."""
        predictions = self.predictions[who]
        if self.metric == "accuracy":
            return (predictions.labels != self.true).astype(np.float64)
        return (predictions.values.astype(np.float64) - self.true) ** 2


def run_split(  # noqa: PLR0913 - the rows, the peers, and what both may use
    name: str,
    data_set: DataSet,
    *,
    budget: float,
    threads: int,
    peers: Iterable[str] = PEERS,
    predict: Callable[..., Any] = answer_of,
) -> Split:
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
    """Ours and every peer, in the mean of the splits, and the interval of the difference to the best of the peers."""
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
    """Of the metric's difference, 95 %: percentiles over rows drawn anew in each split, the same rows for both."""
    random = np.random.default_rng(0)
    pairs = [(split.losses("ours"), split.losses(peer)) for split in splits]

    def draw(ours_of_rows: Any, theirs_of_rows: Any) -> float:
        rows = random.integers(0, len(ours_of_rows), len(ours_of_rows))
        ours, theirs = ours_of_rows[rows].mean(), theirs_of_rows[rows].mean()
        return float(theirs - ours if splits[0].metric == "accuracy" else np.sqrt(ours) - np.sqrt(theirs))

    low, high = np.percentile([mean(draw(*pair) for pair in pairs) for _ in range(DRAWS)], [2.5, 97.5])
    return float(low), float(high)


def saved(ours: float, theirs: float, metric: str) -> float:
    """Of the larger of both errors, the share by which ours is less; negative where it is more."""
    our_error, their_error = (1 - ours, 1 - theirs) if metric == "accuracy" else (ours, theirs)
    return (their_error - our_error) / max(our_error, their_error) if max(our_error, their_error) > 0 else 0.0


def targets(name: str, quality: dict[str, float], seconds: float) -> dict[str, bool]:
    bounds = TARGETS.get(name, {})
    met = {
        f"{metric} {sign} {bound:g}": quality[metric] >= bound if sign == ">=" else quality[metric] <= bound
        for metric, (sign, bound) in bounds.items()
    }
    return met | {f"within {BUDGET:.0f} s": seconds <= BUDGET}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


_TEXT: dict[str, Any] = {"peers": TEXT_PEERS, "predict": text_answer_of}
_IMAGE: dict[str, Any] = {"peers": IMAGE_PEERS, "predict": image_answer_of}
# A part: its name -> what loads a split, how many there are, and its own peers.
PARTS: dict[str, tuple[Load, int, dict[str, Any]]] = {
    **{name: (load, 1, {}) for name, load in TABLES.items()},
    **{name: (load, SPLITS, {}) for name, load in SMALL_TABLES.items()},
    **{name: (load, 1, _TEXT) for name, load in TEXTS.items()},
    **{name: (load, 1, _IMAGE) for name, load in IMAGES.items()},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=sorted(PARTS), help="this part alone; may be repeated")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--splits", type=int, default=SPLITS, help="of a small table, at most")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds a data set")
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
