"""`tomato-host learn observe`: watch the learning loop."""

from __future__ import annotations

from typing import Annotated

import typer

from tomato_host.cli.learn_options import DEFAULT_DATA, AsJson, Config, Data, show


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(observe)


def observe(
    data: Data = DEFAULT_DATA,
    config: Config = None,
    rounds: Annotated[int, typer.Option(help="End after so many rounds of a second; 0 goes on.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Read telemetry from the bus; serve /health and /metrics; store it in Elasticsearch when that is set."""
    import time
    from itertools import count

    from tomato_host.learn.bus.connect import open_bus
    from tomato_host.learn.keys import SigningKeys
    from tomato_host.learn.observability.observe import ObserveWorker
    from tomato_host.service.process_priority import lower_priority
    from tomato_host.settings import load_settings

    lower_priority()
    settings = load_settings(config).learn
    keys = SigningKeys.from_environment()
    worker = ObserveWorker(open_bus(settings.bus), settings, keys, data, lambda: time.time_ns() // 1_000_000)
    left = count()
    worker.serve(lambda: 0 < rounds <= next(left), lambda text: show({"text": text}, [text], as_json))
    show(worker.health(), [f"consumed {worker.consumer.counters.consumed} messages"], as_json)
