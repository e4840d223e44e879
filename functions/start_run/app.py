"""Message of the uploads queue: start a run."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyAlreadyInProgressError
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.bootstrap import starter
from pipeline.contracts.errors import TransientError
from pipeline.intake.events import parse_references
from pipeline.intake.start import UploadReference
from pipeline.lambda_handlers import count, log_errors, logger

run_starter = starter()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
idempotency = IdempotencyConfig(expires_after_seconds=24 * 3600)
table = DynamoDBPersistenceLayer(table_name=run_starter.idempotency_table)


@idempotent_function(data_keyword_argument="reference", persistence_store=table, config=idempotency)  # type: ignore[untyped-decorator]  # Powertools' own
def start(*, reference: UploadReference) -> str | None:
    """Start the run of an upload, once per upload within a day."""
    return run_starter.start(reference)


def handle_record(record: SQSRecord) -> None:
    """Start the runs of one queue message."""
    with log_errors():
        for reference in parse_references(record.json_body):
            try:
                run = start(reference=reference)
            except IdempotencyAlreadyInProgressError as error:
                raise TransientError("another copy of this message is being processed") from error
            if run is not None:
                with logger.append_context_keys(run=run):
                    logger.info("run started")
            count("RunsStarted", int(run is not None))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process a batch of queue messages, and report those that failed."""
    idempotency.register_lambda_context(context)
    return dict(
        process_partial_response(event=event, record_handler=handle_record, processor=processor, context=context)
    )
