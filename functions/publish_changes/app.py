"""Stream of the table: publish the end of a run, a promotion and a rollback as events and to the webhook."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import change_publisher
from pipeline.cloud.attributes import deserialize_item
from pipeline.intake.changes import parse_change
from pipeline.lambda_handlers import event_function

publish = change_publisher()


@event_function
def handler(event: dict[str, Any]) -> dict[str, int]:
    """Publish the changes in a batch of stream records; after an error, Lambda retries the batch in two halves."""
    published = 0
    for record in event["Records"]:
        images = record["dynamodb"]
        old, new = (deserialize_item(images.get(name, {})) for name in ("OldImage", "NewImage"))
        change = parse_change(record["eventName"], old, new, change_id=record["eventID"])
        if change is not None:
            publish(change)
            published += 1
    return {"published": published}
