"""What holds for every test: an environment that names no real account."""

from __future__ import annotations

import os

# Powertools reads these when it is imported, boto3 looks for credentials when it is first asked for some.
os.environ.update(
    {
        "POWERTOOLS_SERVICE_NAME": "test",
        "POWERTOOLS_METRICS_NAMESPACE": "modeldrop",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
)
