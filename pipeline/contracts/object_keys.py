"""Names that users choose, and where objects lie. Every key carries its tenant.

Uploads bucket:    ``<tenant>/<model>/<file>``, or part files: ``<tenant>/<model>/<dataset>/<part>``, and at last an
                   empty ``_SUCCESS`` beside them
Artefacts bucket:  ``tenants/<tenant>/runs/<run>/...``        what one run hands from stage to stage
                   ``tenants/<tenant>/artifacts/<sha256>``    content-addressed, immutable
                   ``tenants/<tenant>/quarantine/<run>/...``  a refused file beside its ``report.json``
                   ``tenants/_rejected/<sha256>.json``        an upload whose key names no tenant and model
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from pipeline.contracts.errors import InvalidUploadError

__all__ = [
    "COMPANIONS",
    "MAX_PARTS",
    "MODEL_CODE",
    "RESERVED",
    "SMOKE_TEST",
    "RunKeys",
    "UploadKey",
    "artifact_key",
    "check_model",
    "check_tenant",
    "is_run_name",
    "parse_upload_key",
    "rejected_key",
    "run_name",
    "tenant_of_key",
    "tenant_of_run",
]

RESERVED = frozenset(
    {"tenants", "runs", "artifacts", "quarantine", "versions", "aliases", "infer", "ready", "live", "health"}
)
SMOKE_TEST = "smoke_test"  # the principal of the state machine's own calls; no key may bear it
MODEL_CODE = "model.py"
MAX_PARTS = 1_000  # files of one data set
_DONE = "_SUCCESS"  # Spark writes it when all parts are there
COMPANIONS = ("train.yaml", "train.yml", MODEL_CODE, _DONE)
_TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")  # no underscore: it separates the parts of a run's name
_RUN = re.compile(r"[a-z0-9-]{1,32}_[A-Za-z0-9_-]{1,32}_[0-9a-f]{12}")
_MODEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,30}[A-Za-z0-9])?")


def check_tenant(name: str) -> str:
    """Return ``name``, or raise InvalidUploadError."""
    if not _TENANT.fullmatch(name) or name in RESERVED:
        raise InvalidUploadError(
            f"'{_shown(name)}' is not a tenant name: 1 to 32 lower-case letters, digits and inner hyphens are "
            "expected, and no reserved word"
        )
    return name


def check_model(name: str) -> str:
    """Return ``name``, or raise InvalidUploadError."""
    if not _MODEL.fullmatch(name) or name.lower() in RESERVED:
        raise InvalidUploadError(
            f"'{_shown(name)}' is not a model name: 1 to 32 letters, digits and inner '_', '.', '-' are expected, "
            "and no reserved word"
        )
    return name


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name[:40])


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadKey:
    """``<tenant>/<model>/<file>``, or ``<tenant>/<model>/<dataset>/_SUCCESS``, which stands for a set of part files."""

    tenant: str
    model: str
    file: str

    @property
    def starts_run(self) -> bool:
        """Companions (train.yaml, test.*, model.py) wait for their data file; part files wait for their _SUCCESS."""
        return self.dataset is not None or self.is_data(self.file)

    @property
    def dataset(self) -> str | None:
        """The folder of the part files that this key ends; None for any other key."""
        folder, _, marker = self.file.partition("/")
        return folder if folder and marker == _DONE else None

    @property
    def shown(self) -> str:
        """How a user calls it."""
        return self.file if self.dataset is None else f"{self.dataset}/"

    @staticmethod
    def is_data(file: str) -> bool:
        """A file in the model's folder, or a part in the data set's, that is no companion."""
        return bool(file) and not (file in COMPANIONS or file.startswith("test.") or "/" in file)

    @property
    def folders(self) -> tuple[str, ...]:
        """Where companions may lie, the nearest first; each ends with a slash."""
        model = self.sibling("")
        return (model,) if self.dataset is None else (f"{model}{self.dataset}/", model)

    def sibling(self, file: str) -> str:
        """The key of another file of the same model."""
        return f"{self.tenant}/{self.model}/{file}"


def parse_upload_key(key: str) -> UploadKey:
    """Read a decoded key; raise InvalidUploadError when it has no tenant, model and file."""
    names = key.split("/", 2)
    if len(names) < 3:
        raise InvalidUploadError("the object's key names no tenant and model: expected TENANT/MODEL/FILE")
    return UploadKey(tenant=check_tenant(names[0]), model=check_model(names[1]), file=names[2])


def tenant_of_key(key: str) -> str:
    """The tenant that an upload's key begins with; empty where it begins with none."""
    name, separator, _ = key.partition("/")
    try:
        return check_tenant(name) if separator else ""
    except InvalidUploadError:
        return ""


def run_name(tenant: str, model: str, bucket: str, key: str, version_id: str) -> str:
    """One name for one object version, so that a repeated event names the same run (at most 78 characters)."""
    digest = hashlib.sha256("\0".join((bucket, key, version_id)).encode()).hexdigest()[:12]
    return f"{tenant}_{model.replace('.', '-')}_{digest}"


def is_run_name(name: str) -> bool:
    """Whether ``name`` is a run's, and not a person's or a tool's."""
    return _RUN.fullmatch(name) is not None


def rejected_key(bucket: str, key: str) -> str:
    """Where it is reported that an object's key is no upload's. No tenant's name has an underscore."""
    return f"tenants/_rejected/{hashlib.sha256(f'{bucket}/{key}'.encode()).hexdigest()}.json"


def tenant_of_run(run: str) -> str:
    """A tenant's name has no underscore, so the first part of a run's name is its tenant."""
    return run.split("_", 1)[0]


def artifact_key(tenant: str, sha256: str) -> str:
    """Content-addressed: the same bytes are the same object."""
    return f"tenants/{tenant}/artifacts/{sha256}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunKeys:
    """Where one run's documents lie in the artefacts bucket."""

    tenant: str
    run: str

    @classmethod
    def of(cls, run: str) -> RunKeys:
        return cls(tenant=tenant_of_run(run), run=run)

    @property
    def root(self) -> str:
        return f"tenants/{self.tenant}/runs/{self.run}"

    @property
    def upload(self) -> str:
        """contracts.records.run.Upload: what was dropped."""
        return f"{self.root}/upload.json"

    @property
    def spec(self) -> str:
        """contracts.spec.job_spec.JobSpec, as it was understood."""
        return f"{self.root}/spec.json"

    @property
    def dataset(self) -> str:
        """contracts.records.dataset.Dataset."""
        return f"{self.root}/dataset.json"

    @property
    def code(self) -> str:
        """model.py, as it was when the run began."""
        return f"{self.root}/{MODEL_CODE}"

    def split(self, name: str) -> str:
        """One of train, validation, test: parquet with the typed feature columns and the target."""
        return f"{self.root}/splits/{name}.parquet"

    @property
    def set_aside(self) -> str:
        """Rows that could not be read, as they were (jsonl)."""
        return f"{self.root}/set_aside.jsonl"

    @property
    def report(self) -> str:
        """How the file was read: columns, what was dropped or rejected, warnings (JSON)."""
        return f"{self.root}/report.json"

    @property
    def plan(self) -> str:
        """contracts.records.plan.Plan."""
        return f"{self.root}/plan.json"

    def outcome(self, job: str) -> str:
        """contracts.records.outcome.JobOutcome of one Batch job."""
        return f"{self.root}/jobs/{job}/outcome.json"

    def attempts(self, job: str) -> str:
        """contracts.records.outcome.Attempts of one Batch job."""
        return f"{self.root}/jobs/{job}/attempts.json"

    def candidate(self, candidate: str, file: str) -> str:
        """A trained candidate's files: trained.json, model.onnx, body.onnx, reference.npz, checkpoint.safetensors.

        While it trains: checkpoint.pt, which a later attempt goes on from (empty when it is over), and curves.json
        (contracts.records.training_curves).
        """
        return f"{self.root}/candidates/{candidate}/{file}"

    @property
    def variants(self) -> str:
        """contracts.records.variant.VariantSet."""
        return f"{self.root}/variants.json"

    @property
    def selection(self) -> str:
        """contracts.records.variant.Selection: the leaderboard, the front, the winner."""
        return f"{self.root}/selection.json"

    @property
    def golden(self) -> str:
        """contracts.records.model_version.Golden: rows and the answers that the served model must give."""
        return f"{self.root}/golden.json"

    @property
    def card(self) -> str:
        """contracts.records.model_version.ModelCard."""
        return f"{self.root}/card.json"

    def quarantine(self, file: str) -> str:
        return f"tenants/{self.tenant}/quarantine/{self.run}/{file}"
