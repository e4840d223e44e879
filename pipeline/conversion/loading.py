"""Convert a trained model by the suffix of its file. Each library is imported only when a file needs it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from pipeline.contracts.errors import InvalidModelError
from pipeline.conversion.model import ConvertedModel
from pipeline.conversion.sample import Sample

__all__ = ["PICKLES", "SUFFIXES", "convert_file"]

PICKLES = (".joblib", ".pkl", ".pickle")
_STATES = (".pt", ".pth", ".safetensors")
_KERAS = (".keras", ".h5")
_BOOSTERS = (".txt", ".json", ".ubj", ".bst")  # LightGBM's and XGBoost's own formats, which lack the class labels
SUFFIXES = (*PICKLES, ".cbm", *_STATES, *_KERAS)


def convert_file(path: Path, sample: Sample) -> ConvertedModel:
    """Load a model's file and convert it.

    Args:
        path: A pickle, CatBoost's .cbm, a torch state with its model.py in the same folder, or a Keras model (a folder:
            SavedModel).
        sample: Rows of its features.

    Raises:
        InvalidModelError: The file cannot be loaded or converted; the message says what is missing.
    """
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        from pipeline.conversion.pickles import convert_pickle

        return convert_pickle(path, sample)
    if suffix == ".cbm":
        _require("catboost", path)
        from pipeline.conversion.catboost import convert_catboost

        return convert_catboost(path, sample)
    if suffix in _STATES:
        from pipeline.conversion.networks import convert_network

        return convert_network(path, sample)
    if suffix in _KERAS or path.is_dir():
        _require("tensorflow", path)
        _require("tf2onnx", path)
        from pipeline.conversion.keras import convert_keras

        return convert_keras(path, sample)
    hint = "; save a model of LightGBM or XGBoost by joblib.dump(estimator, FILE)" if suffix in _BOOSTERS else ""
    raise InvalidModelError(
        f"{path.name}: a model's file ends with {', '.join(SUFFIXES)}, or is a SavedModel folder{hint}"
    )


def _require(library: str, path: Path) -> None:
    """Raise InvalidModelError if a library is not installed."""
    if importlib.util.find_spec(library) is None:
        raise InvalidModelError(f"{path.name} needs the library '{library}': pip install {library}")
