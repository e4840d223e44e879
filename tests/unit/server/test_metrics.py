"""The metrics that Prometheus reads."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from pipeline.server.telemetry.metrics import ServerMetrics


def _samples(metrics: ServerMetrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_durations_are_counted_in_cumulative_buckets() -> None:
    metrics = ServerMetrics()
    facts = {"tenant": "local", "model": "m", "version": 3, "rows": 2}
    for seconds in (0.0001, 0.0002, 0.3, 60.0):
        metrics.record("http", "200", seconds, facts)
    metrics.record("grpc", "OK", 0.5, facts)
    metrics.record("http", "404", 0.1, {})
    samples = _samples(metrics)
    labels = (("model", "m"), ("protocol", "http"), ("version", "3"))
    duration = "modeldrop_request_duration_seconds"
    buckets = {
        bound: samples[f"{duration}_bucket", (("le", bound), *labels)] for bound in ("0.0001", "0.00025", "0.5", "+Inf")
    }
    assert buckets == {"0.0001": 1, "0.00025": 2, "0.5": 3, "+Inf": 4}
    assert samples[f"{duration}_count", labels] == 4
    assert samples[f"{duration}_sum", labels] == 60.3003
    assert samples["modeldrop_rows_total", labels] == 8
    assert samples["modeldrop_responses_total", (("protocol", "http"), ("status", "404"))] == 1


def test_the_number_of_series_is_bounded() -> None:
    metrics = ServerMetrics()
    for number in range(1_100):
        metrics.record("http", "200", 0.1, {"model": f"m{number}", "version": 1, "rows": 1})
    samples = _samples(metrics)
    assert sum(name == "modeldrop_rows_total" for name, _ in samples) == 1_001
    assert samples["modeldrop_rows_total", (("model", ""), ("protocol", "http"), ("version", ""))] == 100
