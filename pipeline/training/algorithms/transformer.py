"""A small transformer over the words, trained here from nothing: it knows their order, and needs many texts for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.contracts.algorithm_spec import Allowed, Cost, Range, SettingsOverride
from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.algorithm import AlgorithmSpec, FittedModel, Problem, Recipe, Rows, Settings
from pipeline.training.networks.config import NETWORK_DEFAULTS

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["RECIPE"]


def _train(settings: Settings, problem: Problem) -> FittedModel:
    """Until the validation loss has not improved for ``early_stopping`` epochs; the best weights are kept."""
    import torch

    from pipeline.training.features.token_ids import TOKENS, TokenIds
    from pipeline.training.loop.fit import to_fitted_model
    from pipeline.training.loop.inputs import columns
    from pipeline.training.loop.loop import train_network
    from pipeline.training.loop.losses import outputs_of
    from pipeline.training.networks.tabular_mlp import TabularMLP
    from pipeline.training.networks.text_transformer import TextTransformer

    if settings["width"] % settings["heads"]:
        raise CandidateFailedError(
            f"transformer: width is {settings['width']} and heads {settings['heads']}: a multiple of the heads is "
            "expected as the width"
        )
    problem.report("reads the texts")
    ids = TokenIds.of(problem.built_from(settings).text, most_places=settings["places"], most_tokens=settings["tokens"])
    table = problem.train.num.shape[1] or problem.cardinalities

    def reads(rows: Rows) -> dict[str, Tensor]:
        return {TOKENS: torch.from_numpy(ids.apply(rows.text)), **columns("num", "cat")(rows)}

    def build() -> TextTransformer:
        beside = (
            TabularMLP(
                problem.built_from(settings).num, problem.cardinalities,
                outputs=TextTransformer.beside_width(), hidden=settings["hidden"], dropout=settings["dropout"],
            )
            if table
            else None
        )  # fmt: skip
        return TextTransformer(
            vocabulary=ids.vocabulary,
            places=ids.positions,
            width=settings["width"],
            layers=settings["layers"],
            heads=settings["heads"],
            dropout=settings["dropout"],
            word_dropout=settings["word_dropout"],
            outputs=outputs_of(settings, problem),
            beside=beside,
        )

    fitted = to_fitted_model(train_network(build, reads, settings, problem), reads, settings, problem)
    return replace(fitted, body=lambda: ids.prepend_to(fitted.body()))


RECIPE = Recipe(
    declares=AlgorithmSpec(
        name="transformer",
        tasks=("classification", "regression"),
        reads=("text", "num", "cat"),
        needs="gpu",
        good_at="many texts in which word order matters; can be quantized to int8",
        defaults={
            **NETWORK_DEFAULTS,
            "hidden": (128,),
            "dropout": 0.2,
            "word_dropout": 0.1,
            "width": 128,
            "layers": 2,
            "heads": 4,
            "places": 128,
            "tokens": 20_000,
            "epochs": 10,
            "batch_size": 128,
            "learning_rate": 5e-4,
            "weight_decay": 0.01,
            "early_stopping": 2,
        },
        allowed={
            "word_dropout": Allowed(minimum=0, maximum=0.99),
            "width": Allowed(minimum=1, maximum=8_192, whole=True),
            "layers": Allowed(minimum=1, maximum=100, whole=True),
            "heads": Allowed(minimum=1, maximum=1_024, whole=True),
            "places": Allowed(minimum=1, maximum=8_192, whole=True),
            "tokens": Allowed(minimum=1, maximum=1_000_000, whole=True),
        },
        # Few texts: a smaller network, which forgets more of what it reads.
        adjustments=(
            SettingsOverride(
                rows_up_to=20_000,
                settings={
                    "width": 64,
                    "batch_size": 32,
                    "dropout": 0.3,
                    "word_dropout": 0.3,
                    "places": 64,
                    "learning_rate": 1e-3,
                    "epochs": 12,
                },
            ),
            SettingsOverride(rows_up_to=2_000, settings={"layers": 1, "batch_size": 16, "epochs": 20}),
        ),
        space={
            "learning_rate": Range(low=1e-4, high=3e-3, log=True),
            "width": (64, 128, 256),
            "layers": (1, 2, 3),
            "dropout": Range(low=0.0, high=0.5),
            "word_dropout": Range(low=0.0, high=0.5),
        },
        cost=Cost(
            measured="2026-11-24, one thread of a 2-core EPYC, 6,000 texts of 40 words",
            seconds=5,
            seconds_per_million_cells=8_000,
            bytes=500_000,
            bytes_per_row=500,
            most_bytes=12_000_000,
            latency_us=500,
        ),
        least_rows=500,
        most_rows=1_000_000,
        most_classes=1000,
        must_read=("text",),
        knobs=True,
        turn=70,
    ),
    log_links=("poisson",),
    tolerance=1e-4,  # the same float32 sums in another order
    train=_train,
)
