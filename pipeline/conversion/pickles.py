"""Convert pickles of fitted estimators. Unpickling runs arbitrary code: call only in the process of ``worker``."""

from __future__ import annotations

import importlib.metadata
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import joblib
from sklearn.exceptions import InconsistentVersionWarning

from pipeline.contracts.errors import InvalidModelError
from pipeline.conversion.estimators import convert_estimator
from pipeline.conversion.model import ConvertedModel
from pipeline.conversion.sample import Sample

__all__ = ["convert_pickle"]

_DAMAGED = (pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError, IndexError)


def convert_pickle(path: Path, sample: Sample) -> ConvertedModel:
    """Convert the estimator in a pickle that joblib or pickle wrote.

    Raises:
        InvalidModelError: The pickle cannot be loaded, or does not contain an estimator.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InconsistentVersionWarning)
        try:
            return convert_estimator(_load_estimator(path), sample)
        except InvalidModelError as error:
            versions = [raised.message for raised in caught if isinstance(raised.message, InconsistentVersionWarning)]
            if not versions:
                raise
            raise InvalidModelError(
                f"{error.message} (it was written by scikit-learn {versions[0].original_sklearn_version}, and this is "
                f"{versions[0].current_sklearn_version})"
            ) from None


def _load_estimator(path: Path) -> Any:
    """Return the estimator.

    Raises:
        InvalidModelError: A library is missing or has another version, the file is damaged, its code raises, or it
            does not contain an estimator.
    """
    try:
        model = joblib.load(path)
    except ModuleNotFoundError as error:
        raise InvalidModelError(f"{path.name} needs the library '{error.name}': pip install {error.name}") from None
    except (AttributeError, ImportError) as error:
        raise InvalidModelError(
            f"{path.name} was written by another version of {_library(str(error))}: {str(error).partition(' from ')[0]}"
        ) from None
    except _DAMAGED as error:
        raise InvalidModelError(f"{path.name} is not a pickle, or is damaged ({type(error).__name__})") from None
    except Exception as error:  # noqa: BLE001 - the pickle's own code
        text = f": {error}" if str(error) else ""
        raise InvalidModelError(f"{path.name} raised {type(error).__name__} while it was loaded{text}") from None
    if not (hasattr(model, "predict") and hasattr(model, "get_params")):
        raise InvalidModelError(f"{path.name} holds a {type(model).__name__}, and a fitted estimator is expected")
    return model


def _library(sentence: str) -> str:
    """Return the library named in an error of the unpickler, with its installed version."""
    named = re.search(r"(?:module '|cannot import name .* from ')(\w+)", sentence)
    if named is None:
        return "a library"
    for distribution in importlib.metadata.packages_distributions().get(named[1], ()):
        return f"{distribution} (this is {importlib.metadata.version(distribution)})"
    return named[1]
