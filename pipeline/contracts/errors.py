"""Everything that can go wrong, as one tree.

    ModeldropError
    ├── InputError                   what a user sent is wrong; never retried
    │   ├── InvalidUploadError       the object's key: tenant, model or file name
    │   ├── InvalidJobSpecError      train.yaml or the object's metadata
    │   ├── InvalidModelCodeError    model.py: not Python, or without the factory that is expected
    │   ├── DatasetError             the data file; it is quarantined with a report
    │   │   ├── UnreadableDatasetError   not the format that its name says, truncated, not text
    │   │   ├── MalformedRowsError       too many ragged or broken rows
    │   │   ├── InvalidColumnsError      duplicate or empty column names, no usable column
    │   │   ├── InvalidTargetError       missing, constant, too many classes, no values
    │   │   └── TooFewRowsError
    │   └── InvalidRequestError      a prediction request
    ├── NotFoundError                a model, version, run or object, as seen from one tenant
    │   └── ObjectNotFoundError      an object in a bucket
    ├── UnauthenticatedError         no key, or an unknown one
    ├── ForbiddenError               a known key without the permission
    ├── ConflictError                another writer was first
    │   └── OlderUploadError         a run's version is of an older upload than one that has been live
    ├── TrainingError
    │   ├── CandidateFailedError     one candidate; it costs itself
    │   └── NoCandidateSurvivedError all of them; it costs the run
    ├── CompressionError
    │   ├── ExportMismatchError      the exported graph does not answer as the trained model does
    │   └── NotApplicableError       a pass has nothing to do on this graph; it costs its variant
    ├── IntegrityError               bytes that are not what their sha256 says
    ├── ItemTooLargeError            a record that DynamoDB has no room for (400 KB)
    ├── SmokeTestFailedError         the served version does not give the golden answers
    ├── JobError
    │   ├── JobCrashedError          a Batch job ended without an outcome
    │   ├── ImageUnavailableError    a Batch job whose container image could not be pulled
    │   ├── JobInterruptedError      a Batch job whose machine was taken back in each of its attempts
    │   ├── NodeLostError            one of the processes of a job of several nodes; the job goes on with fewer
    │   └── CapacityUnavailableError a Batch job that never got a machine
    ├── TooLargeForFunctionError     a step's data does not fit in a function; a job does the same step
    ├── ExecutionEndedError          an execution timed out or was aborted
    ├── TransientError               a service was slow or busy; retried
    ├── ConfigurationError           our own settings: a bad or missing environment variable
    ├── NotRunningError              no embedded cloud is up, or no stack of that name is deployed
    └── InternalError                a defect of ours: an exception that nobody foresaw

A class's name is the ``ErrorEquals`` of the state machine and the ``type`` of a run's error: it is an API.
A message is one sentence for the user: what is wrong, where, what was expected. It never quotes the user's values.
"""

from __future__ import annotations

__all__ = [
    "MAX_MESSAGE",
    "CandidateFailedError",
    "CapacityUnavailableError",
    "CompressionError",
    "ConfigurationError",
    "ConflictError",
    "DatasetError",
    "ExecutionEndedError",
    "ExportMismatchError",
    "ForbiddenError",
    "ImageUnavailableError",
    "InputError",
    "IntegrityError",
    "InternalError",
    "InvalidColumnsError",
    "InvalidJobSpecError",
    "InvalidModelCodeError",
    "InvalidRequestError",
    "InvalidTargetError",
    "InvalidUploadError",
    "ItemTooLargeError",
    "JobCrashedError",
    "JobError",
    "JobInterruptedError",
    "MalformedRowsError",
    "ModeldropError",
    "NoCandidateSurvivedError",
    "NodeLostError",
    "NotApplicableError",
    "NotFoundError",
    "NotRunningError",
    "ObjectNotFoundError",
    "OlderUploadError",
    "SmokeTestFailedError",
    "TooFewRowsError",
    "TooLargeForFunctionError",
    "TrainingError",
    "TransientError",
    "UnauthenticatedError",
    "UnreadableDatasetError",
    "error_named",
]


MAX_MESSAGE = 2_000  # characters that a run keeps and a state machine passes on


class ModeldropError(Exception):
    """The root. ``str(error)`` is the sentence a user reads; ``details`` are for the report."""

    retryable = False

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InputError(ModeldropError):
    """What a user sent is wrong; trying again cannot help."""


class InvalidUploadError(InputError):
    """The object's key is not ``<tenant>/<model>/<file>`` with valid names."""


class InvalidJobSpecError(InputError):
    """``train.yaml``, or the metadata of the object, is not a JobSpec."""


class InvalidModelCodeError(InputError):
    """The model.py that was put beside the data."""


class DatasetError(InputError):
    """The data file cannot be trained on."""


class UnreadableDatasetError(DatasetError):
    """The bytes are not what the file's name says."""


class MalformedRowsError(DatasetError):
    """More rows are broken than can be set aside."""


class InvalidColumnsError(DatasetError):
    """The columns cannot be told apart, or none can be used."""


class InvalidTargetError(DatasetError):
    """The target column cannot be learnt."""


class TooFewRowsError(DatasetError):
    """There is not enough to train, choose and test on."""


class InvalidRequestError(InputError):
    """A prediction request that does not fit the model's signature."""


class NotFoundError(ModeldropError):
    """There is no such thing in this tenant; whether another tenant has one is not said."""


class ObjectNotFoundError(NotFoundError):
    """No such object in the bucket."""


class UnauthenticatedError(ModeldropError):
    """No API key, or one that nobody holds."""


class ForbiddenError(ModeldropError):
    """The principal is known and may not do this."""


class ConflictError(ModeldropError):
    """Somebody else wrote first."""


class OlderUploadError(ConflictError):
    """A run's version is of an older upload than a version that has been live; only a person may promote it."""


class TrainingError(ModeldropError):
    """Training went wrong."""


class CandidateFailedError(TrainingError):
    """One candidate could not be trained; the others go on."""


class NoCandidateSurvivedError(TrainingError):
    """Every candidate failed."""


class CompressionError(ModeldropError):
    """A variant could not be made."""


class ExportMismatchError(CompressionError):
    """The exported graph's answers differ from the trained model's."""


class NotApplicableError(CompressionError):
    """A compression pass has nothing to work on in this graph."""


class IntegrityError(ModeldropError):
    """Stored bytes do not have the sha256 that was recorded."""


class ItemTooLargeError(ModeldropError):
    """A record is larger than the 400 KB that a DynamoDB item may have; trying again cannot help."""


class SmokeTestFailedError(ModeldropError):
    """The real predict function does not give the golden answers."""


class JobError(ModeldropError):
    """A Batch job."""


class JobCrashedError(JobError):
    """A Batch job ended without writing an outcome: killed, out of memory, no image."""


class ImageUnavailableError(JobError):
    """A Batch job's container image could not be pulled: none was pushed, or the registry did not answer."""


class JobInterruptedError(JobError):
    """A Batch job's machine was taken back in each of its attempts; on another queue it goes on from its checkpoint."""


class NodeLostError(JobError):
    """A process that others train together with is gone, or failed of itself: one cannot tell which from outside."""

    retryable = True


class CapacityUnavailableError(JobError):
    """A Batch job waited for a machine until its time was up."""


class TooLargeForFunctionError(ModeldropError):
    """A step's data does not fit in a function's memory; the state machine gives the step to a job."""


class ExecutionEndedError(ModeldropError):
    """The execution itself timed out, was aborted, or failed outside every state's Catch."""


class TransientError(ModeldropError):
    """A service did not answer in time; the same call may succeed later."""

    retryable = True


class ConfigurationError(ModeldropError):
    """A setting of ours is missing or bad."""


class NotRunningError(ModeldropError):
    """There is no stack to speak to: no embedded cloud is up, or none of that name is deployed."""


class InternalError(ModeldropError):
    """A defect of ours. The message names where it happened; what was said may quote a user, so it is left out."""


def error_named(name: str, message: str) -> ModeldropError:
    """The error of class ``name``, as a job's outcome or a state machine names it; an unknown name is a crash."""
    error_class = _subclasses(ModeldropError).get(name)
    return error_class(message) if error_class else JobCrashedError(f"{name}: {message}")


def _subclasses(cls: type[ModeldropError]) -> dict[str, type[ModeldropError]]:
    classes = {cls.__name__: cls}
    for child in cls.__subclasses__():
        classes |= _subclasses(child)
    return classes
