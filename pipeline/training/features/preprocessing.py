"""Compute the features of scikit-learn and LightGBM models from encoded columns, in numpy and as an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.graphs.compose import make_model
from pipeline.graphs.encoding import CAT, NUM
from pipeline.training.algorithm import Rows, TrainingTask
from pipeline.training.features.pair_rotation import RotatedPairs
from pipeline.training.resampling.folds import assign_cross_fitting_folds

__all__ = [
    "FEATURES",
    "Preprocessing",
    "boosting_features",
    "forest_features",
    "linear_features",
    "one_hot_features_of_frequent",
    "one_vs_rest_targets",
    "scaled_and_one_hot",
]

FEATURES = "features"

Matrix = npt.NDArray[np.float32]

_MAX_CATEGORIES = 64  # maximum number of categories per column with a 0/1 feature
_MIN_CATEGORY_ROWS = 30  # minimum training rows of a category with a 0/1 feature
_CODE_FOLDS = 5  # folds for cross-fitting target codes
_MAX_CODED_CLASSES = 5  # number of classes whose frequency in a category, or score of a text, is a feature


def _no_categories() -> npt.NDArray[np.int64]:
    return np.empty((0, 2), np.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Features:
    """Nodes of the graph that compute features.

    Args:
        nodes: Nodes that compute the features, in order.
        outputs: Names of the outputs of the nodes that are features.
        constants: Constants that the nodes read.
    """

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, output: str, *nodes: onnx.NodeProto, **constants: npt.NDArray[Any]) -> None:
        self.outputs.append(output)
        self.nodes.extend(nodes)
        self.constants.extend(numpy_helper.from_array(values, name) for name, values in constants.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class Preprocessing:
    """Computes features from encoded columns, for one model or for several (merged_preprocessing).

    Args:
        fill: Replaces NaN in each number [numbers]; NaN: missing numbers stay missing.
        center: Subtracted from each filled number [numbers].
        missing_indicators: Indices of the numbers with a 0/1 feature for missing values.
        id_encodings: Features of each id, of all categorical columns in order [ids, features per column].
        cardinalities: Number of ids of each categorical column.
        one_hot: Categories with a 0/1 feature, [categories, (column, id)].
        rotated_pairs: Rotations of pairs of numbers; None: there are none.
        columns: Numeric column of each number [numbers]; None: each column once, in order.
        numeric: Number of numeric columns, if ``columns`` is set.
    """

    fill: Matrix
    center: Matrix
    missing_indicators: npt.NDArray[np.int64]
    id_encodings: Matrix
    cardinalities: tuple[int, ...]
    one_hot: npt.NDArray[np.int64] = field(default_factory=_no_categories)
    rotated_pairs: RotatedPairs | None = None
    columns: npt.NDArray[np.int64] | None = None
    numeric: int | None = None

    @property
    def width(self) -> int:
        """Return the number of features."""
        numbers: int = self.id_encodings.shape[1]
        return self.encoding_offset + len(self.cardinalities) * numbers

    @property
    def encoding_offset(self) -> int:
        """Return the number of features before the encodings of ids, which come last."""
        return (
            len(self.fill)
            + len(self.missing_indicators)
            + (len(self.rotated_pairs) if self.rotated_pairs else 0)
            + len(self.one_hot)
        )

    def apply(self, rows: Rows) -> Matrix:
        """Return the features [rows, width]: numbers, missing indicators, rotated pairs, one-hot categories, ids."""
        values = rows.num if self.columns is None else rows.num[:, self.columns]
        missing = np.isnan(values)
        numbers = np.where(missing, self.fill, values) - self.center
        rotated = [self.rotated_pairs.apply(numbers)] if self.rotated_pairs else []
        shown = rows.cat[:, self.one_hot[:, 0]] == self.one_hot[:, 1]
        codes = self.id_encodings[rows.cat + self._offsets].reshape(len(rows.cat), -1)
        return np.concatenate(
            [numbers, missing[:, self.missing_indicators], *rotated, shown, codes], axis=1, dtype=np.float32
        )

    def graph(self) -> onnx.ModelProto:
        """Return the ONNX graph from ``num`` and ``cat`` to ``features``; an input without columns is left out."""
        numeric, categorical = self._of_numbers(), self._of_categories()
        inputs = []
        if len(self.fill):
            width = len(self.fill) if self.numeric is None else self.numeric
            inputs.append(helper.make_tensor_value_info(NUM, TensorProto.FLOAT, ["batch", width]))
        if self.cardinalities:
            inputs.append(helper.make_tensor_value_info(CAT, TensorProto.INT64, ["batch", len(self.cardinalities)]))
        nodes = [*numeric.nodes, *categorical.nodes]
        nodes.append(_node("Concat", [*numeric.outputs, *categorical.outputs], FEATURES, axis=1))
        outputs = [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["batch", self.width])]
        return make_model("preprocessing", nodes, inputs, outputs, [*numeric.constants, *categorical.constants])

    def _of_numbers(self) -> _Features:
        features = _Features()
        if not len(self.fill):
            return features
        values = NUM
        if self.columns is not None:
            features.nodes.append(_node("Gather", [NUM, "columns"], values := "taken", axis=1))
            features.constants.append(numpy_helper.from_array(self.columns, "columns"))
        features.add(
            "numbers",
            _node("IsNaN", [values], "missing"),
            _node("Where", ["missing", "fill", values], "filled"),
            _node("Sub", ["filled", "center"], "numbers"),
            fill=self.fill,
            center=self.center,
        )
        if len(self.missing_indicators):
            features.add(
                "flag_numbers",
                _node("Gather", ["missing", "flagged"], "flags", axis=1),
                _node("Cast", ["flags"], "flag_numbers", to=TensorProto.FLOAT),
                flagged=self.missing_indicators,
            )
        if self.rotated_pairs:
            nodes, constants = self.rotated_pairs.graph("numbers", "turned")
            features.add("turned", *nodes)
            features.constants.extend(constants)
        return features

    def _of_categories(self) -> _Features:
        features = _Features()
        if len(self.one_hot):
            features.add(
                "shown_numbers",
                _node("Gather", [CAT, "shown_columns"], "shown_from", axis=1),
                _node("Equal", ["shown_from", "shown_ids"], "shown"),
                _node("Cast", ["shown"], "shown_numbers", to=TensorProto.FLOAT),
                shown_columns=self.one_hot[:, 0],
                shown_ids=self.one_hot[:, 1],
            )
        if self.id_encodings.size:
            features.add(
                "code_numbers",
                _node("Add", [CAT, "offsets"], "ids"),
                _node("Gather", ["codes", "ids"], "looked_up", axis=0),
                _node("Flatten", ["looked_up"], "code_numbers", axis=1),
                offsets=self._offsets,
                codes=self.id_encodings,
            )
        return features

    @property
    def _offsets(self) -> npt.NDArray[np.int64]:
        return np.cumsum((0, *self.cardinalities), dtype=np.int64)[:-1]


def linear_features(task: TrainingTask) -> tuple[Preprocessing, Matrix]:
    """Encode features for linear models.

    A missing number becomes its column's median and a flag. Ids are unchanged, to be one-hot encoded later. Numbers are
    centered by their median, since the scaler's float32 graph would round a mean far from 0.

    Returns:
        The preprocessing, and the features of the training rows [rows, features].
    """
    medians = _medians(task.train.num)
    preprocessing = Preprocessing(
        fill=medians,
        center=medians,
        missing_indicators=_columns_with_missing(task.train.num),
        id_encodings=np.concatenate([np.empty(0), *map(np.arange, task.cardinalities)]).astype(np.float32)[:, None],
        cardinalities=task.cardinalities,
    )
    return preprocessing, preprocessing.apply(task.train)


def scaled_and_one_hot(preprocessing: Preprocessing) -> Any:
    """Return a ColumnTransformer that standardizes the features and one-hot encodes the ids, which come last."""
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    # The last id of a column stands for unknown categories, and is encoded as zeros.
    ids = [np.arange(count - 1, dtype=np.float32) for count in preprocessing.cardinalities]
    one_hot = OneHotEncoder(categories=ids, handle_unknown="ignore", dtype=np.float32)
    first_id = preprocessing.width - len(ids)
    transformers = [
        ("scale", StandardScaler(), list(range(first_id))),
        ("one_hot", one_hot, list(range(first_id, preprocessing.width))),
    ]
    return ColumnTransformer([transformer for transformer in transformers if transformer[2]])


def forest_features(task: TrainingTask) -> tuple[Preprocessing, Matrix]:
    """Encode features for forests: a category becomes the mean target of its rows.

    A missing number becomes its column's median and a flag, since the exported trees cannot split on NaN.

    Returns:
        The preprocessing, and the features of the training rows, cross-fitted [rows, features].
    """
    num = task.train.num
    return _with_target_codes(task, fill=_medians(num), missing_indicators=_columns_with_missing(num))


def boosting_features(task: TrainingTask, pairs: Sequence[tuple[int, int]] = ()) -> tuple[Preprocessing, Matrix]:
    """Encode features for boosting: a category becomes its rows' mean target; frequent ones also get a 0/1 feature.

    Missing numbers stay NaN. In columns that have no missing value in the training rows, they become the median;
    LightGBM would treat them as 0.

    Args:
        task: The training rows.
        pairs: Pairs of numeric columns to rotate (features.pair_rotation).

    Returns:
        The preprocessing, and the features of the training rows, cross-fitted [rows, features].
    """
    fill = _medians(task.train.num)
    fill[_columns_with_missing(task.train.num)] = np.nan
    return _with_target_codes(
        task,
        fill=fill,
        missing_indicators=np.empty(0, np.int64),
        one_hot=_frequent_categories(task),
        rotated_pairs=RotatedPairs.of(pairs, task.train.num) if pairs else None,
    )


def one_hot_features_of_frequent(task: TrainingTask) -> tuple[Preprocessing, Matrix]:
    """Encode features for kernels: medians and flags for missing numbers, and a 0/1 feature for frequent categories.

    These are the 64 most frequent categories of each column, without those of a single training row.

    Returns:
        The preprocessing, and the features of the training rows [rows, features].
    """
    fill = _medians(task.train.num)
    preprocessing = Preprocessing(
        fill=fill,
        center=np.zeros_like(fill),
        missing_indicators=_columns_with_missing(task.train.num),
        id_encodings=np.empty((sum(task.cardinalities), 0), np.float32),
        cardinalities=task.cardinalities,
        one_hot=_frequent_categories(task, min_rows=2),
    )
    return preprocessing, preprocessing.apply(task.train)


def _with_target_codes(task: TrainingTask, *, fill: Matrix, **fields: Any) -> tuple[Preprocessing, Matrix]:
    """Return preprocessing with target codes, and the training rows' features with cross-fitted codes.

    Without cross-fitting, the code of a rare category would reveal the targets of its rows.

    Args:
        task: The training rows.
        fill: Replaces missing numbers.
        fields: Further fields of the preprocessing.
    """
    codes, own_codes = _target_codes(task)
    preprocessing = Preprocessing(
        fill=fill, center=np.zeros_like(fill), id_encodings=codes, cardinalities=task.cardinalities, **fields
    )
    uncoded = preprocessing.apply(task.train)[:, : preprocessing.encoding_offset]
    return preprocessing, np.concatenate([uncoded, own_codes], axis=1)


def _frequent_categories(task: TrainingTask, min_rows: int = _MIN_CATEGORY_ROWS) -> npt.NDArray[np.int64]:
    """Return each column's most frequent categories with at least ``min_rows`` rows, [categories, (column, id)]."""
    shown = []
    for column, count in enumerate(task.cardinalities):
        rows = np.bincount(task.train.cat[:, column], minlength=count)
        by_frequency = np.argsort(-rows, kind="stable")[:_MAX_CATEGORIES]
        shown += [(column, category) for category in by_frequency if rows[category] >= min_rows]
    return np.array(shown, np.int64).reshape(-1, 2)


def _columns_with_missing(num: Matrix) -> npt.NDArray[np.int64]:
    return np.flatnonzero(np.isnan(num).any(axis=0))


def _medians(num: Matrix) -> Matrix:
    """Return the median of each column; 0 for a column without values."""
    medians = np.zeros(num.shape[1], np.float32)
    for index, column in enumerate(num.T):
        present = column[~np.isnan(column)]
        if len(present):
            medians[index] = np.median(present)
    return medians


def _target_codes(task: TrainingTask) -> tuple[Matrix, Matrix]:
    """Return the codes of each id [ids, codes], and the training rows' cross-fitted codes [rows, columns x codes].

    References:
        Micci-Barreca 2001 (target encoding); scikit-learn's TargetEncoder (cross-fitting).
    """
    from sklearn.model_selection import PredefinedSplit
    from sklearn.preprocessing import TargetEncoder

    targets = one_vs_rest_targets(task)
    rows = task.train.cat
    if not task.cardinalities:
        return np.empty((0, len(targets)), np.float32), np.empty((len(rows), 0), np.float32)
    codes, train_codes = [], []
    folds = PredefinedSplit(assign_cross_fitting_folds(task.train, task.classes, _CODE_FOLDS, task.seed))
    for target in targets:
        encoder = TargetEncoder(
            categories=[np.arange(count) for count in task.cardinalities],
            target_type="continuous",
            cv=folds,
        )
        train_codes.append(encoder.fit_transform(rows, target.astype(np.float64) if task.classes else target))
        codes.append(np.concatenate(encoder.encodings_))
    return np.stack(codes, axis=1).astype(np.float32), np.stack(train_codes, axis=2).reshape(len(rows), -1).astype(
        np.float32
    )


def one_vs_rest_targets(task: TrainingTask) -> list[npt.NDArray[Any]]:
    """Return a regression's values, or booleans [rows] for the second of two classes or for the 5 most frequent."""
    target = task.train.target
    if not task.classes:
        return [target]
    classes = [1] if task.classes == 2 else np.argsort(-np.bincount(target), kind="stable")[:_MAX_CODED_CLASSES]
    return [target == label for label in classes]


def _node(operator: str, inputs: list[str], output: str, **attributes: int) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [output], **attributes)
