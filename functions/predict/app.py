"""Predict: API Gateway's requests through the prediction API."""

from __future__ import annotations

from pipeline.bootstrap import denied_calls, prediction_api
from pipeline.lambda_http import prediction_handler

api = prediction_api()
handler = prediction_handler(lambda: api, denied_calls())
