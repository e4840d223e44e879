"""A small transformer over the words of texts, trained from scratch; it models word order, and needs many texts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pipeline.contracts.algorithms.config import hyperparameter, search_range, search_values
from pipeline.contracts.algorithms.network_config import (
    BatchSize,
    Dropout,
    EarlyStopping,
    Epochs,
    Hidden,
    LearningRate,
    NetworkConfig,
    WeightDecay,
)
from pipeline.contracts.algorithms.spec import AlgorithmSpec, Cost, SettingsOverride
from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.algorithm import Algorithm, FittedModel, Rows, RunContext, TrainingTask

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ALGORITHM", "TransformerConfig"]


class TransformerConfig(NetworkConfig):
    """Hyper-parameters of the transformer over words."""

    hidden: Hidden = (128,)
    dropout: Annotated[Dropout, search_range(0.0, 0.5)] = 0.2
    word_dropout: Annotated[
        float,
        hyperparameter("Share of the words that a training step hides.", unit="share of words", ge=0, le=0.99),
        search_range(0.0, 0.5),
    ] = 0.1
    width: Annotated[
        int,
        hyperparameter("Width of a word's embedding, a multiple of `heads`.", unit="units", ge=1, le=8_192),
        search_values(64, 128, 256),
    ] = 128
    layers: Annotated[
        int, hyperparameter("Transformer layers.", unit="layers", ge=1, le=100), search_values(1, 2, 3)
    ] = 2
    heads: Annotated[int, hyperparameter("Attention heads of a layer.", unit="heads", ge=1, le=1_024)] = 4
    places: Annotated[int, hyperparameter("Maximum words of a text that are read.", unit="words", ge=1, le=8_192)] = 128
    tokens: Annotated[int, hyperparameter("Maximum words of the vocabulary.", unit="words", ge=1, le=1_000_000)] = (
        20_000
    )
    epochs: Epochs = 10
    batch_size: BatchSize = 128
    learning_rate: Annotated[LearningRate, search_range(1e-4, 3e-3, log=True)] = 5e-4
    weight_decay: WeightDecay = 0.01
    early_stopping: EarlyStopping = 2


def _train(config: TransformerConfig, task: TrainingTask, context: RunContext) -> FittedModel:
    """Train until the validation loss has not improved for ``early_stopping`` epochs; keep the best weights."""
    import torch

    from pipeline.training.features.token_ids import TOKENS, TokenIds
    from pipeline.training.loop.fit import fit_network
    from pipeline.training.loop.inputs import columns
    from pipeline.training.loop.losses import outputs_of
    from pipeline.training.networks.tabular_mlp import TabularMLP
    from pipeline.training.networks.text_transformer import TABULAR_WIDTH, TextTransformer

    if config.width % config.heads:
        raise CandidateFailedError(
            f"transformer: width is {config.width} and heads is {config.heads}: the width must be a multiple of the "
            "heads"
        )
    context.report("reads the texts")
    ids = TokenIds.of(task.reference_rows(config).text, max_positions=config.places, max_tokens=config.tokens)
    table = task.train.num.shape[1] or task.cardinalities

    def reads(rows: Rows) -> dict[str, Tensor]:
        return {TOKENS: torch.from_numpy(ids.apply(rows.text)), **columns("num", "cat")(rows)}

    def build() -> TextTransformer:
        tabular = None
        if table:
            num = task.reference_rows(config).num
            tabular = TabularMLP(
                num, task.cardinalities, outputs=TABULAR_WIDTH, hidden=config.hidden, dropout=config.dropout
            )
        return TextTransformer(
            vocabulary=ids.vocabulary,
            positions=ids.positions,
            width=config.width,
            layers=config.layers,
            heads=config.heads,
            dropout=config.dropout,
            word_dropout=config.word_dropout,
            outputs=outputs_of(config, task),
            tabular=tabular,
        )

    fitted = fit_network(build, reads, config, task, context)
    return replace(fitted, body=lambda: ids.prepend_to(fitted.body()))


ALGORITHM = Algorithm(
    config=TransformerConfig,
    spec=AlgorithmSpec(
        name="transformer",
        supported_inputs=("text", "num", "cat"),
        queue="gpu",
        strengths="many texts in which word order matters; can be quantized to int8",
        hyperparameters=TransformerConfig.describe(),
        # Few texts: a smaller network with more dropout.
        overrides=(
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
        cost=Cost(
            measured="2026-11-24, one thread of a 2-core EPYC, 6,000 texts of 40 words",
            seconds=5,
            seconds_per_million_cells=8_000,
            bytes=500_000,
            bytes_per_row=500,
            most_bytes=12_000_000,
            latency_us=500,
        ),
        min_rows=500,
        max_rows=1_000_000,
        max_classes=1000,
        required_inputs=("text",),
        is_network=True,
        training_order=70,
    ),
    log_links=("poisson",),
    train=_train,
)
