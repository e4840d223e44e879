"""All errors, as one tree.

    ModeldropError
    ├── InputError                   user input is invalid; never retried
    │   ├── InvalidUploadError       the object's key: tenant, model or file name
    │   ├── InvalidJobSpecError      train.yaml or the object's metadata
    │   ├── InvalidModelCodeError    model.py: not Python, or without the expected factory
    │   ├── InvalidModelError        a model file: broken, unsafe, or with an operator that its target lacks
    │   ├── DatasetError             the data file; it is quarantined with a report
    │   │   ├── UploadMismatchError      its size or checksum is not the announced one
    │   │   ├── UnreadableDatasetError   its content is truncated, not text, or not in the format that its name states
    │   │   ├── MalformedRowsError       too many ragged or malformed rows
    │   │   ├── InvalidColumnsError      duplicate or empty column names, no usable column
    │   │   ├── InvalidTargetError       missing, constant, too many classes, no values
    │   │   └── TooFewRowsError
    │   └── InvalidRequestError      a prediction request does not match the model's signature
    │       ├── TooManyRowsError         it has more rows than a response can have
    │       ├── BodyTooLargeError        its body is too large after decompression
    │       └── UnsupportedMediaTypeError  its content type cannot be read
    ├── NotFoundError                a model, version, run or object, as seen from one tenant
    │   ├── HiddenModelError         a model that the API key may not see
    │   ├── MethodNotAllowedError    a route that exists, but not with this method
    │   └── ObjectNotFoundError      an object in a bucket
    ├── UnauthenticatedError         no API key, or an unknown one
    ├── ForbiddenError               a known API key without the permission
    ├── ConflictError                another writer was first
    │   ├── AliasMovedError          an alias is not at the version that the caller expected
    │   └── OlderUploadError         a run's version is from an older upload than one that has been live
    ├── TrainingError
    │   ├── CandidateFailedError     one candidate; the others continue
    │   └── NoCandidateSurvivedError all candidates; the run fails
    ├── CompressionError
    │   ├── ExportMismatchError      the exported graph's predictions differ from the trained model's
    │   └── NotApplicableError       a pass has nothing to do on this graph; its variant is dropped
    ├── IntegrityError               stored bytes do not have the recorded sha256
    ├── ItemTooLargeError            a record exceeds DynamoDB's limit of 400 KB
    ├── SmokeTestFailedError         the deployed predict function does not reproduce the golden predictions
    ├── JobError
    │   ├── JobCrashedError          a Batch job ended without an outcome
    │   ├── ImageUnavailableError    a Batch job's container image could not be pulled
    │   ├── JobInterruptedError      every attempt of a Batch job was interrupted (Spot)
    │   ├── NodeLostError            a process of a distributed training was lost; the job continues with fewer nodes
    │   └── CapacityUnavailableError a Batch job got no machine in time
    ├── TooLargeForFunctionError     a step's data does not fit into a function; a job runs the step
    ├── ExecutionEndedError          an execution timed out or was aborted
    ├── RunCanceledError             a person ended the run
    ├── TransientError               a service was slow or busy; retried
    │   ├── OverloadedError          a server is at its limit of requests; the caller waits and retries
    │   └── DeadlineExceededError    a request's deadline passed before it could run
    ├── ConfigurationError           a setting of the deployment is missing or invalid
    ├── NotRunningError              no embedded cloud is running, or no stack of that name is deployed
    └── InternalError                a defect of modeldrop: an unexpected exception

A class's name is the ``ErrorEquals`` of the state machine and the ``type`` of a run's error: it is an API.
A message is one sentence for the user: what is wrong, where, what was expected. It never quotes the user's values.
"""

from __future__ import annotations

__all__ = [
    "MAX_MESSAGE",
    "AliasMovedError",
    "BodyTooLargeError",
    "CandidateFailedError",
    "CapacityUnavailableError",
    "CompressionError",
    "ConfigurationError",
    "ConflictError",
    "DatasetError",
    "DeadlineExceededError",
    "ExecutionEndedError",
    "ExportMismatchError",
    "ForbiddenError",
    "HiddenModelError",
    "ImageUnavailableError",
    "InputError",
    "IntegrityError",
    "InternalError",
    "InvalidColumnsError",
    "InvalidJobSpecError",
    "InvalidModelCodeError",
    "InvalidModelError",
    "InvalidRequestError",
    "InvalidTargetError",
    "InvalidUploadError",
    "ItemTooLargeError",
    "JobCrashedError",
    "JobError",
    "JobInterruptedError",
    "MalformedRowsError",
    "MethodNotAllowedError",
    "ModeldropError",
    "NoCandidateSurvivedError",
    "NodeLostError",
    "NotApplicableError",
    "NotFoundError",
    "NotRunningError",
    "ObjectNotFoundError",
    "OlderUploadError",
    "OverloadedError",
    "RunCanceledError",
    "SmokeTestFailedError",
    "TooFewRowsError",
    "TooLargeForFunctionError",
    "TooManyRowsError",
    "TrainingError",
    "TransientError",
    "UnauthenticatedError",
    "UnreadableDatasetError",
    "UnsupportedMediaTypeError",
    "UploadMismatchError",
    "error_named",
]


MAX_MESSAGE = 2_000  # maximum characters of a message in a run's log and in the state machine


class ModeldropError(Exception):
    """Base of all errors.

    Attributes:
        message: One sentence for the user; ``str(error)`` is the same.
        details: Facts for the report.
        retryable: Whether the same call may succeed later.
    """

    retryable = False

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InputError(ModeldropError):
    """User input is invalid. Never retried."""


class InvalidUploadError(InputError):
    """The object's key is not ``<tenant>/<model>/<file>`` with valid names."""


class InvalidJobSpecError(InputError):
    """``train.yaml``, or the metadata of the object, is not a valid JobSpec."""


class InvalidModelCodeError(InputError):
    """The uploaded model.py is not Python, or lacks the expected factory."""


class InvalidModelError(InputError):
    """A model file is broken or unsafe, or has an operator that its target cannot run."""


class DatasetError(InputError):
    """The data file cannot be used for training."""


class UploadMismatchError(DatasetError):
    """The uploaded file does not have the size or the checksum that was announced for it."""


class UnreadableDatasetError(DatasetError):
    """The file's content is not in the format that its name states."""


class MalformedRowsError(DatasetError):
    """Too many rows are malformed: the whole file is rejected."""


class InvalidColumnsError(DatasetError):
    """Column names are empty or duplicated, or no column is usable."""


class InvalidTargetError(DatasetError):
    """The target column is missing, or is not learnable."""


class TooFewRowsError(DatasetError):
    """There are too few rows to train, select and test on."""


class InvalidRequestError(InputError):
    """A prediction request does not match the model's signature."""


class TooManyRowsError(InvalidRequestError):
    """A prediction request has more rows than one response can have."""


class BodyTooLargeError(InvalidRequestError):
    """The body is too large after decompression."""


class UnsupportedMediaTypeError(InvalidRequestError):
    """The body of a prediction request has a content type that the model or the deployment cannot read."""


class NotFoundError(ModeldropError):
    """This tenant has no such resource; whether another tenant has one is not disclosed."""


class HiddenModelError(NotFoundError):
    """The API key may not see this model, whether the model exists or not."""


class MethodNotAllowedError(NotFoundError):
    """The route exists, but not with this method."""


class ObjectNotFoundError(NotFoundError):
    """The bucket has no such object."""


class UnauthenticatedError(ModeldropError):
    """The request has no API key, or an unknown or revoked one."""


class ForbiddenError(ModeldropError):
    """The principal is known but lacks the permission."""


class ConflictError(ModeldropError):
    """Another writer was first, or the resource is in a state that forbids the change."""


class AliasMovedError(ConflictError):
    """An alias is not at the version that the caller expected.

    ``details["current"]`` is the version that the alias points to; None if the alias does not exist.
    """


class OlderUploadError(ConflictError):
    """The run's version is from an older upload than one that has been live; only a person may promote it."""


class TrainingError(ModeldropError):
    """Training failed."""


class CandidateFailedError(TrainingError):
    """One candidate could not be trained; the others continue."""


class NoCandidateSurvivedError(TrainingError):
    """Every candidate failed."""


class CompressionError(ModeldropError):
    """A variant could not be built."""


class ExportMismatchError(CompressionError):
    """The exported graph's predictions differ from the trained model's."""


class NotApplicableError(CompressionError):
    """A compression pass has nothing to do on this graph."""


class IntegrityError(ModeldropError):
    """Stored bytes do not have the recorded sha256."""


class ItemTooLargeError(ModeldropError):
    """A record exceeds DynamoDB's limit of 400 KB. Never retried."""


class SmokeTestFailedError(ModeldropError):
    """The deployed predict function does not reproduce the golden predictions."""


class JobError(ModeldropError):
    """A Batch job failed."""


class JobCrashedError(JobError):
    """A Batch job ended without writing an outcome: killed, out of memory, or without an image."""


class ImageUnavailableError(JobError):
    """A Batch job's container image could not be pulled: it was not pushed, or the registry did not answer."""


class JobInterruptedError(JobError):
    """Every attempt of a Batch job was interrupted (Spot); on another queue it resumes from its checkpoint."""


class NodeLostError(JobError):
    """A process of a distributed training was lost or failed; the other processes cannot tell which one."""

    retryable = True


class CapacityUnavailableError(JobError):
    """A Batch job got no machine in time."""


class TooLargeForFunctionError(ModeldropError):
    """A step's data does not fit into a function's memory; the state machine runs the step as a job."""


class ExecutionEndedError(ModeldropError):
    """The execution timed out, was aborted, or failed outside every state's Catch."""


class RunCanceledError(ModeldropError):
    """A person ended the run."""


class TransientError(ModeldropError):
    """A service did not answer in time; the same call may succeed later."""

    retryable = True


class OverloadedError(TransientError):
    """A server is at its limit of requests, or this request waited too long; the caller waits and retries."""


class DeadlineExceededError(TransientError):
    """A request's deadline passed before it could run; it was not run."""


class ConfigurationError(ModeldropError):
    """A setting of the deployment is missing or invalid."""


class NotRunningError(ModeldropError):
    """No stack is reachable: no embedded cloud is running, or none of that name is deployed."""


class InternalError(ModeldropError):
    """A defect of modeldrop. The message says where; the original text may quote user data and is left out."""


def error_named(name: str, message: str) -> ModeldropError:
    """Return an error of the class that a job's outcome or the state machine names.

    Args:
        name: Class name; an unknown name gives a JobCrashedError.
        message: Message of the error.
    """
    error_class = _subclasses(ModeldropError).get(name)
    return error_class(message) if error_class else JobCrashedError(f"{name}: {message}")


def _subclasses(cls: type[ModeldropError]) -> dict[str, type[ModeldropError]]:
    classes = {cls.__name__: cls}
    for child in cls.__subclasses__():
        classes |= _subclasses(child)
    return classes
