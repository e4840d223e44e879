"""Names that users choose, and keys of objects. Every key contains its tenant.

Uploads bucket:    ``<tenant>/<model>/<file>``, or part files ``<tenant>/<model>/<dataset>/<part>`` followed by an empty
                   ``_SUCCESS`` in the same folder
Artifacts bucket:  ``tenants/<tenant>/runs/<run>/...``        files that the stages of one run exchange
                   ``tenants/<tenant>/artifacts/<sha256>``    content-addressed, immutable
                   ``tenants/<tenant>/quarantine/<run>/...``  a refused file and its ``report.json``
                   ``tenants/_rejected/<sha256>.json``        an upload whose key has no valid tenant and model
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from pipeline.contracts.errors import InvalidUploadError

__all__ = [
    "CALIBRATION",
    "COMPANIONS",
    "JWT_PREFIX",
    "MAX_PARTS",
    "MODEL_CODE",
    "RESERVED",
    "SMOKE_TEST",
    "RunKeys",
    "UploadKey",
    "artifact_key",
    "check_file",
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
# Users mistake the bucket's name for a tenant, as in uploads/churn/churn.csv.
_RESERVED_TENANTS = RESERVED | {"uploads"}
SMOKE_TEST = "smoke_test"  # principal of the state machine's calls; no API key may have this name
JWT_PREFIX = "jwt:"  # prefix of principals who sign in with a token; no API key may have such a principal
MODEL_CODE = "model.py"
CALIBRATION = "calibration.csv"  # calibration rows for an uploaded .onnx file
MAX_PARTS = 1_000  # part files per data set
_MAX_FILE_BYTES = 255  # maximum length of a name in most file systems; an S3 key may have 1,024 bytes
_DONE = "_SUCCESS"  # Spark writes this file after all part files
COMPANIONS = ("train.yaml", "train.yml", MODEL_CODE, CALIBRATION, _DONE)
_TENANT = r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?"  # no underscore, which separates the fields of a run's name
_RUN = r"[a-z0-9-]{1,32}_[A-Za-z0-9_-]{1,32}_[0-9a-f]{12}"
_MODEL = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,30}[A-Za-z0-9])?"


def check_tenant(name: str) -> str:
    """Return ``name`` if it is a valid tenant name.

    Raises:
        InvalidUploadError: The name has invalid characters, has more than 32 characters, or is reserved.
    """
    if name in _RESERVED_TENANTS:
        raise InvalidUploadError(
            f"'{name}' is not a tenant name: the word is reserved, and a key is expected to be TENANT/MODEL/FILE"
        )
    if not re.fullmatch(_TENANT, name):
        raise InvalidUploadError(
            f"'{_printable(name)}' is not a tenant name: expected 1 to 32 lower-case letters, digits and inner hyphens"
        )
    return name


def check_model(name: str) -> str:
    """Return ``name`` if it is a valid model name.

    Raises:
        InvalidUploadError: The name has invalid characters, has more than 32 characters, or is reserved.
    """
    if not re.fullmatch(_MODEL, name) or name.lower() in RESERVED:
        raise InvalidUploadError(
            f"'{_printable(name)}' is not a model name: expected 1 to 32 letters, digits and inner '_', '.', '-', "
            "and no reserved word"
        )
    return name


def check_file(name: str) -> str:
    """Return ``name`` if it is the name of one file, without a folder.

    Raises:
        InvalidUploadError: The name is a path, has control characters, is empty, or has more than 255 bytes.
    """
    is_path = "/" in name or "\\" in name or name in (".", "..")
    if is_path or not name.strip() or not name.isprintable() or len(name.encode()) > _MAX_FILE_BYTES:
        raise InvalidUploadError(
            f"'{_printable(name)}' is not a file name: expected 1 to {_MAX_FILE_BYTES} bytes "
            "without '/' and control characters"
        )
    return name


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name[:40])


class UploadKey(NamedTuple):
    """Key of an upload: ``<tenant>/<model>/<file>``.

    The key ``<tenant>/<model>/<dataset>/_SUCCESS`` represents a data set of part files.
    """

    tenant: str
    model: str
    file: str

    @property
    def starts_run(self) -> bool:
        """Return whether this object starts a run.

        Companions (train.yaml, test.*, model.py, calibration.csv) wait for their data file, and part files wait for
        their _SUCCESS.
        """
        return self.dataset is not None or self.is_data(self.file)

    @property
    def dataset(self) -> str | None:
        """Return the folder of the part files that this key completes; None for any other key."""
        folder, _, marker = self.file.partition("/")
        return folder if folder and marker == _DONE else None

    @property
    def is_model(self) -> bool:
        """Return whether the file is a trained model instead of data."""
        return self.file.lower().endswith(".onnx")

    @property
    def display_name(self) -> str:
        """Return the name of the file or folder, as users see it."""
        return self.file if self.dataset is None else f"{self.dataset}/"

    @staticmethod
    def is_data(file: str) -> bool:
        """Return whether ``file``, relative to its folder, is data: neither a companion nor in a subfolder."""
        return bool(file) and not (file in COMPANIONS or file.startswith("test.") or "/" in file)

    @property
    def folders(self) -> tuple[str, ...]:
        """Return the folders in which companions are looked up, nearest first; each ends with a slash."""
        model = self.sibling("")
        return (model,) if self.dataset is None else (f"{model}{self.dataset}/", model)

    def sibling(self, file: str) -> str:
        """Return the key of another file of the same model."""
        return f"{self.tenant}/{self.model}/{file}"


def parse_upload_key(key: str) -> UploadKey:
    """Parse a decoded object key.

    Raises:
        InvalidUploadError: The key has no valid tenant and model, or no file.
    """
    names = key.split("/", 2)
    if len(names) < 3:
        raise InvalidUploadError("the object's key has no tenant and model: expected TENANT/MODEL/FILE")
    return UploadKey(tenant=check_tenant(names[0]), model=check_model(names[1]), file=names[2])


def tenant_of_key(key: str) -> str:
    """Return the tenant at the beginning of an upload's key; empty if there is no valid one."""
    name, separator, _ = key.partition("/")
    try:
        return check_tenant(name) if separator else ""
    except InvalidUploadError:
        return ""


def run_name(tenant: str, model: str, bucket: str, key: str, version_id: str) -> str:
    """Return the name of the run that an object version starts, at most 78 characters.

    The name contains a hash of the arguments, so that a repeated event refers to the same run.
    """
    digest = hashlib.sha256("\0".join((bucket, key, version_id)).encode()).hexdigest()[:12]
    return f"{tenant}_{model.replace('.', '-')}_{digest}"


def is_run_name(name: str) -> bool:
    """Return whether ``name`` has the form of a run's name; the names of persons and tools do not."""
    return re.fullmatch(_RUN, name) is not None


def rejected_key(bucket: str, key: str) -> str:
    """Return the key of the report on an object whose own key is invalid.

    No tenant can have the folder ``_rejected``: names of tenants contain no underscore.
    """
    return f"tenants/_rejected/{hashlib.sha256(f'{bucket}/{key}'.encode()).hexdigest()}.json"


def tenant_of_run(run: str) -> str:
    """Return the tenant of a run: the text before the first underscore, which no tenant's name contains."""
    return run.split("_", 1)[0]


def artifact_key(tenant: str, sha256: str) -> str:
    """Return the key of an artifact. Keys are content-addressed: equal bytes are one object."""
    return f"tenants/{tenant}/artifacts/{sha256}"


class RunKeys:
    """Keys of one run's documents in the artifacts bucket.

    Attributes:
        run: Name of the run.
        tenant: Tenant of the run.
        root: Prefix of all keys of the run, without a trailing slash.
        upload: Upload (contracts.records.run): the object that started the run.
        spec: JobSpec (contracts.spec.job_spec), with defaults filled in.
        dataset: Dataset (contracts.records.dataset).
        code: Copy of model.py that the run uses.
        set_aside: Rejected rows as unparsed text, in JSON lines.
        report: Data report (JSON): columns, dropped columns, rejected rows, warnings.
        plan: Plan (contracts.records.plan).
        ensemble: Ensemble (contracts.records.ensemble).
        variants: VariantSet (contracts.records.variant).
        acceptance: Acceptance (contracts.records.variant) of a run that serves a variant of an earlier run.
        selection: Selection (contracts.records.variant): leaderboard, Pareto front and winner.
        golden: GoldenPredictions (contracts.records.model_version), which the served model must reproduce.
        card: ModelCard (contracts.records.model_version).
    """

    def __init__(self, run: str) -> None:
        self.run = run
        self.tenant = tenant_of_run(run)
        self.root = f"tenants/{self.tenant}/runs/{run}"
        self.upload = f"{self.root}/upload.json"
        self.spec = f"{self.root}/spec.json"
        self.dataset = f"{self.root}/dataset.json"
        self.code = f"{self.root}/{MODEL_CODE}"
        self.set_aside = f"{self.root}/set_aside.jsonl"
        self.report = f"{self.root}/report.json"
        self.plan = f"{self.root}/plan.json"
        self.ensemble = f"{self.root}/ensemble.json"
        self.variants = f"{self.root}/variants.json"
        self.acceptance = f"{self.root}/acceptance.json"
        self.selection = f"{self.root}/selection.json"
        self.golden = f"{self.root}/golden.json"
        self.card = f"{self.root}/card.json"

    def split(self, name: str) -> str:
        """Return the key of the split ``train``, ``validation`` or ``test``: Parquet with typed features and target."""
        return f"{self.root}/splits/{name}.parquet"

    def outcome(self, job: str) -> str:
        """Return the key of a Batch job's JobOutcome (contracts.records.outcome)."""
        return f"{self.root}/jobs/{job}/outcome.json"

    def attempts(self, job: str) -> str:
        """Return the key of a Batch job's Attempts (contracts.records.outcome)."""
        return f"{self.root}/jobs/{job}/attempts.json"

    def candidate(self, candidate: str, file: str) -> str:
        """Return the key of one of a candidate's files.

        The files are trained.json, model.onnx, body.onnx, reference.npz and checkpoint.safetensors. During training
        there are also curves.json (contracts.records.training_curves) and checkpoint.pt, from which a later attempt
        resumes; checkpoint.pt is empty after the training.
        """
        return f"{self.root}/candidates/{candidate}/{file}"

    def quarantine(self, file: str) -> str:
        """Return the key of a refused file, or of its ``report.json``."""
        return f"tenants/{self.tenant}/quarantine/{self.run}/{file}"
