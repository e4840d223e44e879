"""Fixtures that validate files and train models in process; each sample is trained once per session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

from tests.helpers.file_harness import Body, Served, ValidatedFile, serve, validate_file
from tests.helpers.sample_files import SAMPLES, Sample

Drop = Callable[..., ValidatedFile]
Learn = Callable[..., Served]


@pytest.fixture
def drop(tmp_path_factory: pytest.TempPathFactory) -> Drop:
    """``drop("a.csv", body, companions={"train.yaml": "..."}, target="...")``: other keywords are metadata."""

    def dropped(name: str, body: Body, companions: Mapping[str, Body] | None = None, **metadata: str) -> ValidatedFile:
        return validate_file(name, body, tmp_path_factory.mktemp("drop"), companions, **metadata)

    return dropped


@pytest.fixture
def learn(tmp_path_factory: pytest.TempPathFactory) -> Learn:
    """``learn(file, "random_forest")``: train and return the served model."""

    def learnt(file: ValidatedFile, algorithm: str = "random_forest") -> Served:
        return serve(file, tmp_path_factory.mktemp("learn"), algorithm)

    return learnt


@pytest.fixture(scope="session")
def read_sample(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ValidatedFile]:
    """``read_sample(name)``: the validated file of a sample, read once per session."""

    @cache
    def outcome(name: str) -> ValidatedFile | Exception:
        try:
            return validate_sample(SAMPLES[name], tmp_path_factory.mktemp(name))
        except Exception as error:  # noqa: BLE001 - each test of the sample raises it anew
            return error

    return lambda name: _or_raise(outcome(name))


@pytest.fixture(scope="session")
def serve_sample(
    read_sample: Callable[[str], ValidatedFile], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Served]:
    """``serve_sample(name)``: the served model of a sample, trained once per session."""

    @cache
    def outcome(name: str) -> Served | Exception:
        try:
            return serve(read_sample(name), tmp_path_factory.mktemp(name), SAMPLES[name].algorithm)
        except Exception as error:  # noqa: BLE001 - each test of the sample raises it anew
            return error

    return lambda name: _or_raise(outcome(name))


def validate_sample(sample: Sample, workdir: Path, companions: Mapping[str, Body] | None = None) -> ValidatedFile:
    sample_companions = {name: sample.read(name) for name in sample.companions}
    metadata = {"target": sample.target} if sample.target and "train.yaml" not in sample_companions else {}
    return validate_file(
        sample.train, sample.read(sample.train), workdir, {**sample_companions, **(companions or {})}, **metadata
    )


T = TypeVar("T")


def _or_raise(outcome: T | Exception) -> T:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
