"""Consumer of the uploads queue: start a run for each uploaded object."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.bootstrap import starter
from pipeline.intake.events import parse_references
from pipeline.lambda_handlers import count, log_errors, logger

start = starter()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def handle_record(record: SQSRecord) -> None:
    """Start the runs of one queue message."""
    with log_errors():
        for reference in parse_references(record.json_body):
            run = start(reference)
            if run is not None:
                with logger.append_context_keys(run=run):
                    logger.info("run started")
            count("RunsStarted", int(run is not None))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process a batch of queue messages, and report the failed messages to SQS."""
    return dict(
        process_partial_response(event=event, record_handler=handle_record, processor=processor, context=context)
    )
