"""Predict: API Gateway's requests through the prediction API."""

from __future__ import annotations

import gc

gc.disable()  # what a start creates stays: looking for garbage in it takes 10 ms

from pipeline.bootstrap import denied_calls, prediction_api  # noqa: E402
from pipeline.lambda_http import prediction_handler  # noqa: E402

api = prediction_api()
handler = prediction_handler(lambda: api, denied_calls())
gc.freeze()
gc.enable()
