"""Ports: the interfaces through which the stages use AWS services.

Each Protocol is the contract that its adapter in ``pipeline.cloud`` and its fake in ``tests/fakes`` fulfill; the same
tests run against both. Every call of every port may raise, besides what its docstring lists:

    TransientError      the service did not answer, or throttled the call; the same call may succeed later
    ConfigurationError  the bucket, table, queue or state machine does not exist, or the credentials may not use it

A call that raised TransientError may have taken effect. Repeat it only where its docstring says that it is idempotent.
"""

from __future__ import annotations

from pipeline.contracts.ports.change_listeners import ChangeListener
from pipeline.contracts.ports.executions import Execution, Executions, FunctionCalls
from pipeline.contracts.ports.gateway_keys import GatewayKeys
from pipeline.contracts.ports.messages import Message, Messages
from pipeline.contracts.ports.object_store import ObjectInfo, ObjectStore
from pipeline.contracts.ports.table import CheckRequest, Item, PutRequest, Table, TableWrite, UpdateRequest
from pipeline.contracts.ports.upload_grants import UploadedPart, UploadForm, UploadGrants

__all__ = [
    "ChangeListener",
    "CheckRequest",
    "Execution",
    "Executions",
    "FunctionCalls",
    "GatewayKeys",
    "Item",
    "Message",
    "Messages",
    "ObjectInfo",
    "ObjectStore",
    "PutRequest",
    "Table",
    "TableWrite",
    "UpdateRequest",
    "UploadForm",
    "UploadGrants",
    "UploadedPart",
]
