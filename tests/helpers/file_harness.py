"""Process a file end to end in this process: validate it, train one quick candidate, serve it, and predict."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from pipeline.contracts.errors import ModeldropError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.dataset import GROUP, Dataset
from pipeline.contracts.records.run import Upload
from pipeline.contracts.signature import Signature
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.evaluation.scoring import OnnxModel, feeds
from pipeline.parsing.numbers import parse_number
from pipeline.planning.plan import plan
from pipeline.serving.api.errors import respond_to_error
from pipeline.serving.api.messages import Caller, HttpRequest
from pipeline.serving.api.prediction_api import PredictionApi
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.model_loader import make_session_factory
from pipeline.training.trainer import Trainer
from pipeline.validation.known_rows import read_known_rows
from pipeline.validation.validate import validate
from tests.fakes.models import OneModel
from tests.fakes.objects import FakeObjectStore
from tests.fakes.training import CPU

__all__ = ["Body", "Reply", "Served", "ValidatedFile", "serve", "validate_file"]

RUN = "demo_model_0123456789ab"
KEYS = RunKeys(RUN)
SETTINGS: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 40},
    "extra_trees": {"n_estimators": 40},
    "gradient_boosting": {"n_estimators": 120, "learning_rate": 0.1, "folds": 1},
}
BATCH = 1_000

Row = dict[str, Any]
Body = str | bytes


@dataclass(frozen=True)
class ValidatedFile:
    """The output of a run's validate stage in the artifacts bucket."""

    dataset: Dataset
    artifacts: FakeObjectStore

    def split(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(io.BytesIO(self.artifacts.get(KEYS.split(name))))

    @cached_property
    def rows(self) -> pl.DataFrame:
        """The rows of all splits, without the column of groups, which the test rows lack."""
        splits = [self.split(name).drop(GROUP, strict=False) for name in ("train", "validation", "test")]
        return pl.concat(splits)

    def values(self, column: str) -> list[Any]:
        """Return the column's values in all splits, sorted, without missing values."""
        return self.rows[column].drop_nulls().sort().to_list()

    @property
    def spec(self) -> JobSpec:
        return JobSpec.from_bytes(self.artifacts.get(KEYS.spec))

    @property
    def kinds(self) -> dict[str, str]:
        return {column.name: column.kind for column in self.dataset.columns}

    @property
    def dropped(self) -> dict[str, str]:
        return {column.name: column.reason for column in self.dataset.left_out}

    @property
    def rejected(self) -> int:
        """The number of rejected rows."""
        return self.dataset.set_aside

    @property
    def rejected_lines(self) -> list[int]:
        """The line numbers of rejected rows that could not be read."""
        if not self.rejected:
            return []
        rows = map(json.loads, self.artifacts.get(KEYS.set_aside).splitlines())
        return [row["line"] for row in rows if "line" in row]

    def reports(self, *facts: str) -> bool:
        """Return whether a warning, or a dropped column with its reason, mentions all of ``facts``."""
        return any(all(fact in sentence for fact in facts) for sentence in self.sentences)

    def names_encoding(self, *names: str) -> bool:
        """Return whether a warning mentions an encoding by one of ``names``, in any spelling."""
        return any(_letters(name) in _letters(sentence) for name in names for sentence in self.dataset.warnings)

    @property
    def sentences(self) -> list[str]:
        """All messages for the user: warnings, and dropped columns with their reasons."""
        return [*self.dataset.warnings, *(f"{name}: {reason}" for name, reason in self.dropped.items())]


@dataclass(frozen=True)
class Reply:
    """A response of the API: ``error`` is empty for status 200, ``predictions`` exist only for 200."""

    status: int
    body: dict[str, Any]

    @property
    def error(self) -> str:
        return str(self.body.get("error", ""))

    @property
    def predictions(self) -> list[dict[str, Any]]:
        assert self.status == 200, self.error
        return list(self.body["predictions"])

    @property
    def label(self) -> str:
        return str(self.predictions[0]["label"])

    @property
    def value(self) -> float:
        return float(self.predictions[0]["value"])

    @property
    def outputs(self) -> dict[str, list[Any]]:
        """Name -> data of the outputs of a response of the Open Inference Protocol."""
        return {tensor["name"]: tensor["data"] for tensor in self.body["outputs"]}


@dataclass(frozen=True)
class Served:
    """A served model, and the file that it was trained on."""

    file: ValidatedFile
    model_bytes: bytes
    signature: Signature

    @cached_property
    def _api(self) -> PredictionApi:
        session = make_session_factory(1)(self.model_bytes)
        model = LoadedModel(tenant="demo", model="model", version=1, signature=self.signature, session=session)
        return PredictionApi(OneModel(model))

    def ask(self, *rows: Row) -> Reply:
        """Request predictions for rows by the API (``{"rows": [...]}``)."""
        return self.post(json.dumps({"rows": rows}))

    def post(self, body: str) -> Reply:
        """Send a body to the API; return its response, and raise unexpected errors."""
        request = HttpRequest("POST", "/v2/models/model/infer", body.encode())
        try:
            response = self._api.respond(request, Caller("demo"))
        except ModeldropError as error:
            response = respond_to_error(error, "test")
        return Reply(response.status, json.loads(response.body))

    def predict_file(self, path: Path, workdir: Path) -> tuple[list[Any], list[Any]]:
        """Predict a file like ``modeldrop predict FILE``; return the predictions, and the truth of each row."""
        workdir.mkdir(exist_ok=True)
        known = read_known_rows(path.name, path, self.signature, workdir)
        rows = known.frame.to_dicts()
        predictions = []
        for start in range(0, len(rows), BATCH):
            reply = self.ask(*rows[start : start + BATCH])
            predictions += [self._told(prediction) for prediction in reply.predictions]
        assert known.labels is not None, "a test file has its target"
        return predictions, [self._truth(label) for label in known.labels.to_list()]

    def quality(self, metric: str, path: Path) -> float:
        """Return the metric on a file's rows, all of which must have a prediction."""
        with TemporaryDirectory() as workdir:
            return measure(metric, *self.predict_file(path, Path(workdir)))

    def split_quality(self, metric: str, split: pl.DataFrame) -> float:
        """Return the metric on a split, measured like that of the model card."""
        answers = OnnxModel(self.model_bytes).run(feeds(split, self.signature))
        told = answers.values if self.signature.task == "regression" else answers.labels
        return measure(metric, told.tolist(), split[self.signature.target].to_list())

    def _told(self, prediction: dict[str, Any]) -> Any:
        return prediction["value" if self.signature.task == "regression" else "label"]

    def _truth(self, label: str) -> Any:
        if self.signature.task != "regression":
            return label
        number = parse_number(label, self.signature.target_format)
        assert number is not None, "the target is read as it was in training"
        return number


def measure(metric: str, predictions: Sequence[Any], truths: Sequence[Any]) -> float:
    if metric == "accuracy":
        return sum(told == truth for told, truth in zip(predictions, truths, strict=True)) / len(truths)
    told, truth = np.array(predictions, np.float64), np.array(truths, np.float64)
    squares = float(((told - truth) ** 2).mean())
    return squares**0.5 if metric == "rmse" else 1 - squares / float(truth.var())


def validate_file(
    name: str, body: Body, workdir: Path, companions: Mapping[str, Body] | None = None, **metadata: str
) -> ValidatedFile:
    """Drop ``body`` as the file ``name`` with its companions, and validate it; raise what validation raises."""
    uploads, artifacts = FakeObjectStore("uploads"), FakeObjectStore("artifacts")
    for companion, text in (companions or {}).items():
        uploads.put(f"demo/model/{companion}", _bytes(text))
    key = f"demo/model/{name}"
    uploads.put(key, _bytes(body), metadata=metadata)
    head = uploads.head(key)
    upload = Upload(
        bucket="uploads", key=key, version_id=head.version_id, bytes=head.bytes, etag=head.etag,
        metadata=dict(head.metadata),
    )  # fmt: skip
    dataset = validate(RUN, upload, uploads=uploads, artifacts=artifacts, workdir=workdir)
    return ValidatedFile(dataset, artifacts)


def serve(file: ValidatedFile, workdir: Path, algorithm: str) -> Served:
    """Plan and train ``algorithm`` on the file's rows, with few trees, and serve the exported model."""
    own = SETTINGS.get(algorithm, {})
    spec = file.spec.model_copy(update={"algorithms": (algorithm,), "settings": {algorithm: own} if own else {}})
    planned = plan(file.dataset, spec)
    splits = {name: file.split(name) for name in ("train", "validation")}
    trainer = Trainer(dataset=file.dataset, splits=splits, machine=CPU, seed=0, metric=planned.metric, folds=1)
    trainer.train(planned.candidates[0], workdir, lambda text: None)
    return Served(file, (workdir / "model.onnx").read_bytes(), file.dataset.signature)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _bytes(body: Body) -> bytes:
    return body.encode() if isinstance(body, str) else body
