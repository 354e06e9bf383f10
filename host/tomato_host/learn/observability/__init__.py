"""Observation of the learning loop: telemetry from the bus becomes metrics and stored documents.

`tomato-host learn observe` is one process: it reads telemetry, state packets' depth and counters, serves `/health` and
`/metrics`, and stores every event in Elasticsearch, or in a bounded spool while that is away.
"""
