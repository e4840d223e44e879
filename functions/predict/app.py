"""Prediction routes: respond to requests of API Gateway with the prediction API."""

from __future__ import annotations

import gc

gc.disable()  # objects created at start-up live as long as the process; searching them for garbage would take 10 ms

from pipeline.bootstrap import denied_calls, prediction_api  # noqa: E402
from pipeline.lambda_http import prediction_handler  # noqa: E402

api = prediction_api()
handler = prediction_handler(lambda: api, denied_calls())
gc.freeze()
gc.enable()
