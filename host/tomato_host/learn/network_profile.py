"""A network's epoch under torch's profiler. `import torch` stands here: this file needs the extra [learn]."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from tomato_host.learn.network import NetworkSettings, NetworkTrainer
from tomato_host.learn.residuals import ResidualTable

TOP = 10


def profile_epoch(table: ResidualTable, steps: int, trace: Path | None = None) -> list[dict[str, Any]]:
    """The operators with the most time of their own, milliseconds of the processor."""
    torch.set_num_threads(1)
    trainer = NetworkTrainer(table.x.shape[1], NetworkSettings(steps=steps), 0)
    trainer.train(table)  # the first epoch pays for what is loaded lazily
    with profile(activities=[ProfilerActivity.CPU]) as found:
        trainer.train(table)
    if trace is not None:
        found.export_chrome_trace(str(trace))
    rows = sorted(found.key_averages(), key=lambda one: -one.self_cpu_time_total)[:TOP]
    return [{"operator": one.key, "calls": one.count, "self_ms": one.self_cpu_time_total / 1_000.0} for one in rows]
