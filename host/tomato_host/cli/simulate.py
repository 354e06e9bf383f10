"""`tomato-host simulate`: a simulated day from source through estimator to storage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from tomato_host.cli.completion_words import one_of
from tomato_host.cli.recorded_settings import parse_local_time

if TYPE_CHECKING:
    from shared_schemas.records import StateV1
    from tomato_host.loop.simulated_day import DayResult, SimulatedDay


SCENARIOS = (
    "calm", "heatwave", "dry_inflow", "cold_spell", "wind_spike", "probe_disconnect", "probe_stuck", "probe_jump",
    "probe_drift", "leak", "reservoir_empty", "link_cut",
)  # fmt: skip
"""Kept beside the table in sources/synthetic_faults.py, whose import would slow --help down; a test compares them."""


def _not_negative(value: float) -> float:
    """The value of an option from 0 on. Raises typer.BadParameter."""
    if not value >= 0.0:
        raise typer.BadParameter(f"{value:g} is not in the range x>=0.")
    return value


def simulate(
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 7,
    output_dir: Annotated[Path, typer.Option(help="Where run_YYYYMMDD is made.")] = Path("data"),
    duration_hours: Annotated[float, typer.Option(min=0.1, max=8_784.0, help="Logical hours to simulate.")] = 24.0,
    scenario: Annotated[
        str, typer.Option(help=f"A named disturbance: {', '.join(SCENARIOS)}.", autocompletion=one_of(*SCENARIOS))
    ] = "calm",
    time_scale: Annotated[
        float,
        typer.Option(callback=_not_negative, help="Logical seconds per second, from 0; 0 = as fast as possible."),
    ] = 120.0,
    start: Annotated[str, typer.Option(help="Start; local time of [site] timezone unless it has an offset.")] = (
        "2026-02-14T00:00"
    ),
    config: Annotated[Path | None, typer.Option(help="TOML settings file; [site] timezone is that of the day.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print every state as it is stored.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON line.")] = False,
) -> None:
    """Simulate a day: source, estimator, storage. At the default scale a day takes 12 minutes."""
    import time

    from tomato_host.loop.simulated_day import DayPlan, SimulatedDay
    from tomato_host.settings import load_settings
    from tomato_host.terminal.progress import progress

    name = _known(scenario)
    begin = time.monotonic()
    timezone = load_settings(config).site.timezone
    plan = DayPlan(
        start=parse_local_time(start, ZoneInfo(timezone), "E-TIME", "2026-02-14T00:00"),
        timezone=timezone,
        seed=seed,
        duration_h=duration_hours,
        scenario=name,
        time_scale=time_scale,
    )
    with progress(f"{duration_hours:g} hours of a tent", as_json) as shown:
        day = SimulatedDay(plan, output_dir, _print_state if verbose else None, shown.share)
        _stop_on_signals(day)
        result = day.run()
    _print_summary(result, duration_hours, time.monotonic() - begin, as_json)


def _print_summary(result: DayResult, hours: float, wall_s: float, as_json: bool) -> None:
    """The end of a run, for a person or for a program."""
    import json

    if not as_json:
        typer.echo(
            f"{result.observations} observations, {result.states} states, {result.anomalies} anomalies, "
            f"{result.cycles} cycles in {result.dataset}"
        )
        return
    summary = {
        "states": result.states,
        "base_states": result.base_states,
        "cycles": result.cycles,
        "anomalies": result.anomalies,
        "observations": result.observations,
        "dataset": str(result.dataset),
        "sim_h": hours,
        "stopped_early": result.stopped_early,
        "wall_s": round(wall_s, 3),
    }
    typer.echo(json.dumps(summary))


def _known(name: str) -> str:
    """The scenario's present name. Raises TomatoError `E-TWIN-SCENARIO`."""
    from tomato_host.errors import TomatoError
    from tomato_host.sources.scenarios import present_name

    found = present_name(name)
    if found not in SCENARIOS:
        raise TomatoError(
            "E-TWIN-SCENARIO",
            f"A synthetic day has no scenario named {name!r}.",
            f"Take one of: {', '.join(SCENARIOS)}.",
        )
    return found


def _print_state(state: StateV1) -> None:
    env, soil = state.env, state.soil
    typer.echo(
        f"{state.ts:%Y-%m-%d %H:%M}  air {_shown(env.air_temp_c)} degC  RH {_shown(env.rh_pct)} %  "
        f"VPD {_shown(env.vpd_kpa, 2)} kPa  soil {_shown(soil.avg_moisture_pct)} %  "
        f"confidence {state.confidence:.2f}  {state.reason or ''}".rstrip()
    )


def _shown(value: float | None, digits: int = 1) -> str:
    return "--" if value is None else f"{value:.{digits}f}"


def _stop_on_signals(day: SimulatedDay) -> None:
    """SIGINT and SIGTERM end the run after the present task, with every file closed."""
    import signal

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: day.scheduler.stop())
