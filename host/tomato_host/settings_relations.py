"""How settings bound each other: every pair that must keep an order, across tables too, as one table.

A range on a single key cannot see that `air_hot_back_c` lies above `air_hot_c`, or that the guardrails forbid what the
growth stage asks for. Each row names a lower and an upper side; a violated row becomes one message with both keys.
`FREE` lists the numeric keys that stand in no row, each group with its reason: a new numeric key belongs into one of
the two, and a test finds the one that is in neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel

from tomato_host.brain.control.settings import ControlSettings
from tomato_host.brain.control.targets import stage_row
from tomato_host.service.settings import served_names, tls_contradictions

BOARD_PROBES = frozenset({"P1", "P2"})
"""Soil probes on the board's own inputs (`sources/board.py`)."""
STAGE = "control.stage:"
"""Prefix of a value that the growth stage gives: `control.stage:temp_c.high` is the highest of day and night."""
BANDS = {"vpd": ("vpd_day", "vpd_night"), "temp_c": ("temp_day_c", "temp_night_c")}
"""Bands that a stage has for the day and for the night: a limit must hold for both."""
OWN_KEYS = {
    "vpd_day": "vpd_day_kpa",
    "vpd_night": "vpd_night_kpa",
    **dict.fromkeys(("soil_low_pct", "soil_target_pct", "soil_high_pct"), "soil_moisture_pct"),
}
"""Key of `[control.stages.<stage>]` that gives a value of the row, where its name is another one."""


FORECAST = ("air_temp_c", "vpd_kpa", "leaf_vpd_kpa")
"""What every tent's forecast has beside the moisture at each probe (as `tent_quantities`, which needs numpy)."""
STREAMS = (
    "state_stream", "command_stream", "report_stream", "receipt_stream", "telemetry_stream", "update_stream"
)  # fmt: skip


def _always(_settings: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Relation:
    """`low` times `factor` must lie below `high`, or at most at it, where `when` holds."""

    low: str
    order: Literal["<", "<="]
    high: str
    why: str
    """What goes wrong otherwise, for the message."""
    factor: float = 1.0
    """Units of `high` per unit of `low`."""
    when: Callable[[Any], bool] = _always


_FLICKER = "the cause would end where it begins, and begin anew with each reading"
_INSIDE = "the band of targets would lie outside"
_REFUSED = "the guardrails would refuse what the controller asks for"
_OLD = "each estimate would be too old before the next"

RELATIONS: tuple[Relation, ...] = (
    # On and off thresholds of one cause.
    Relation("safe_mode.confidence_low", "<", "safe_mode.confidence_back", _FLICKER),
    Relation("safe_mode.air_hot_back_c", "<", "safe_mode.air_hot_c", _FLICKER),
    Relation("safe_mode.air_cold_c", "<", "safe_mode.air_cold_back_c", _FLICKER),
    Relation("safe_mode.air_cold_back_c", "<", "safe_mode.air_hot_back_c", "no temperature would end both"),
    # Order inside one table.
    Relation("learn.bus.normal_depth", "<", "learn.bus.conservative_depth", "refusing messages would never end"),
    Relation("learn.bus.conservative_depth", "<=", "learn.bus.drop_depth", "messages would be lost before any waits"),
    Relation("learn.policy.yellow", "<", "learn.policy.orange", "a level of risk would never be reached"),
    Relation("learn.policy.orange", "<", "learn.policy.red", "a level of risk would never be reached"),
    Relation("learn.policy.red", "<", "learn.policy.critical", "a level of risk would never be reached"),
    Relation("world_model.soil_dry_pct", "<", "world_model.soil_target_pct", "the target would count as dry"),
    Relation("world_model.soil_target_pct", "<", "world_model.soil_wet_pct", "the target would count as wet"),
    Relation("world_model.vpd_low_kpa", "<", "world_model.vpd_high_kpa", "every value would be a risk"),
    Relation("world_model.cold_c", "<", "world_model.heat_c", "every value would be a risk"),
    Relation("guardrails.air_cold_c", "<", "guardrails.air_hot_c", "lamp and exhaust could both be forbidden"),
    Relation("storage.max_bytes", "<=", "storage.mb_total", "one file would exceed the whole", factor=1e-6,
             when=lambda s: s.storage.rotate == "size"),
    Relation("storage.fsync_interval_s", "<=", "storage.fsync_telemetry_s", "readings are never synced more often",
             when=lambda s: s.storage.fsync == "interval"),
    Relation("estimator.sample_period_s", "<=", "estimator.state_period_s", "a state needs a new observation"),
    Relation("estimator.sample_period_s", "<=", "estimator.history_hours", "it would hold fewer than 12 observations",
             factor=12.0 / 3600.0),
    Relation("weather.ttl_minutes", "<=", "weather.keep_hours", "a forecast would be dropped before it is fetched anew",
             factor=1.0 / 60.0),
    Relation("advisor.backoff_first_s", "<=", "advisor.backoff_most_s", "the first pause would exceed the longest"),
    Relation("advisor.image_tokens_max", "<", "advisor.context_tokens", "a photo would not fit the context"),
    Relation("advisor.text_max_tokens", "<", "advisor.context_tokens", "an answer would not fit the context"),
    Relation("advisor.vision_max_tokens", "<", "advisor.context_tokens", "a verdict would not fit the context"),
    Relation("bus.summary_every_s", "<", "bus.stale_after_s", "the node would be stale in between"),
    # Between tables: time.
    Relation("estimator.sample_period_s", "<=", "board.telemetry_period_s", "history_hours would not be reached"),
    Relation("board.telemetry_period_s", "<", "safe_mode.state_age_s", _OLD),
    Relation("board.telemetry_period_s", "<", "guardrails.state_age_s", _OLD),
    Relation("control.cycle_s", "<=", "guardrails.longest_s", "lamp and fan would stop before the next decision"),
    Relation("guardrails.water_pause_s", "<=", "control.water_pause_s", _REFUSED),
    Relation("guardrails.water_pause_s", "<=", "control.blind_pause_s", _REFUSED),
    Relation("control.planning_ms", "<", "guardrails.proposal_age_s", "each plan would be too old when it is ready",
             factor=1e-3, when=lambda s: s.control.policy == "mpc"),
    Relation(f"{STAGE}photoperiod_h", "<=", "budgets.light_s_per_day", _REFUSED, factor=3_600.0),
    # Between tables: bands of the growth stage, warnings around them, interlocks around those.
    Relation(f"{STAGE}soil_low_pct", "<", "guardrails.soil_wet_pct", "no water would ever be allowed"),
    Relation("world_model.soil_target_pct", "<", "guardrails.soil_wet_pct", "the recommended water would be refused"),
    Relation("world_model.soil_dry_pct", "<=", f"{STAGE}soil_low_pct", _INSIDE),
    Relation(f"{STAGE}soil_high_pct", "<=", "world_model.soil_wet_pct", _INSIDE),
    Relation("world_model.vpd_low_kpa", "<=", f"{STAGE}vpd.low", _INSIDE),
    Relation(f"{STAGE}vpd.high", "<=", "world_model.vpd_high_kpa", _INSIDE),
    Relation("world_model.cold_c", "<=", f"{STAGE}temp_c.low", _INSIDE),
    Relation(f"{STAGE}temp_c.high", "<=", "world_model.heat_c", _INSIDE),
    Relation(f"{STAGE}temp_c.high", "<=", "guardrails.air_hot_c", "the lamp would be forbidden inside the band"),
    Relation("guardrails.air_cold_c", "<=", f"{STAGE}temp_c.low", "the exhaust would be forbidden inside the band"),
    Relation(f"{STAGE}soil_temp_low_c", "<", "guardrails.soil_temp_high_c", "the mat could never reach the target"),
    Relation("safe_mode.air_cold_back_c", "<=", f"{STAGE}temp_c.low", "safe mode would not end inside the band"),
    Relation(f"{STAGE}temp_c.high", "<=", "safe_mode.air_hot_back_c", "safe mode would not end inside the band"),
    Relation("safe_mode.air_cold_c", "<=", "world_model.cold_c", "safe mode would come before the warning"),
    Relation("world_model.heat_c", "<=", "safe_mode.air_hot_c", "safe mode would come before the warning"),
)  # fmt: skip
"""Every order that must hold between two settings."""

FREE: dict[str, tuple[str, ...]] = {
    "caps of one fact in several spans: the smallest one holds, none contradicts another": (
        "budgets.water_ml_per_day", "budgets.co2_s_per_day", "guardrails.water_ml_per_hour",
        "guardrails.water_ml_per_pulse", "guardrails.low_confidence_dose_ml", "guardrails.co2_s_per_hour",
        "control.blind_dose_ml", "storage.mb_per_day",
    ),
    "the budget of one output, bounded by the board's own": (
        "budgets.humidifier_s_per_day", "budgets.heater_s_per_day",
    ),
    "a place on earth": ("site.latitude_deg", "site.longitude_deg"),
    "how patient one part is, whatever the others do": (
        "board.lease_renew_s", "safe_mode.link_down_s", "safe_mode.hold_s", "safe_mode.calm_s", "safe_mode.recover_s",
        "safe_mode.caution_s", "guardrails.state_lag_s", "weather.timeout_s",
        "weather.attempts", "advisor.wake_deadline_s", "advisor.cameras.timeout_s", "advisor.breaker_failures",
        "advisor.breaker_rest_s", "mqtt.command_max_age_s", "mqtt.sensors.stale_after_s",
        "mqtt.plugs.off_after_s",
    ),
    "a pace of its own: shorter only means more often": (
        "safe_mode.sampling_safe_s", "safe_mode.sampling_caution_s", "control.event_pause_s", "advisor.wake_every_s",
        "notify.deadman_every_s", "notify.rules.cool_down_s", "notify.rules.repeat_s", "bus.catch_up_h",
        "learn.bus.claim_s",
        "notify.acknowledged_h",
    ),
    "a threshold of trust for one use; each part has its own": (
        "guardrails.min_confidence", "control.min_probe_confidence", "world_model.min_confidence",
        "mqtt.sensors.confidence",
    ),
    "an interlock that only tightens: the target is cut by it": ("guardrails.rh_high_pct", "guardrails.co2_high_ppm"),
    "a property of the tent or the lamp": (
        "control.light_start_local_h", "control.soil_ml_per_pct", "estimator.lux_per_umol",
    ),
    "how much one computation may take": (
        "control.horizon_h", "advisor.threads", "advisor.photos_per_wake", "advisor.seed",
        "advisor.temperature",
    ),
    "how much, how fast and from which chance the learning loop learns": (
        "learn.learning_slots", "learn.embargo_epochs", "learn.window_days", "learn.steps", "learn.learning_rate",
        "learn.seed", "learn.offline.replay_reports", "learn.offline.replay_days", "learn.offline.least_reports",
        "learn.offline.learning_rate", "learn.offline.epochs", "learn.offline.target_kl", "learn.offline.lora_rank",
        "learn.policy.calm_windows", "learn.policy.conservative_factor", "learn.policy.metadata_influence",
        "learn.policy.metadata_wait_ms", "learn.policy.boundary_ms", "learn.policy.memory_mb",
    ),
    "how much a state may move; each quantity has its own unit": (
        "advisor.stale.air_temp_c", "advisor.stale.rh_pct", "advisor.stale.vpd_kpa", "advisor.stale.soil_moisture_pct",
        "advisor.stale.debounce",
    ),
    "room on the disk, in memory or at the broker": (
        "storage.flush_every", "storage.photos_mb_total", "bus.stream_length", "bus.telemetry_room_kb", "logs.max_mb",
        "logs.keep", "learn.observe.spool_mb",
    ),
    "how many in a time": (
        "guardrails.actions_per_hour", "service.reads_per_minute", "service.writes_per_minute", "notify.most_per_hour",
        "service.agent_per_minute", "service.tent_per_minute",
        "service.quarantine_after", "learn.bus.emergency_per_minute",
    ),
    "the row of a growth stage: the relations above hold for the row in use": (
        "control.stages.seedling.soil_temp_low_c", "control.stages.seedling.photoperiod_h",
        "control.stages.seedling.co2_ppm", "control.stages.seedling.dose_ml",
        "control.stages.vegetative.soil_temp_low_c", "control.stages.vegetative.photoperiod_h",
        "control.stages.vegetative.co2_ppm", "control.stages.vegetative.dose_ml",
        "control.stages.flowering.soil_temp_low_c", "control.stages.flowering.photoperiod_h",
        "control.stages.flowering.co2_ppm", "control.stages.flowering.dose_ml",
        "control.stages.fruiting.soil_temp_low_c", "control.stages.fruiting.photoperiod_h",
        "control.stages.fruiting.co2_ppm", "control.stages.fruiting.dose_ml",
    ),
    "the size of a thing": (
        "tent.width_cm", "tent.depth_cm", "tent.height_cm", "tent.plants.pot_l", "tent.plants.probe",
    ),
    "a port or the number of a device": ("service.port", "mqtt.port", "mqtt.plugs.relay",
        "learn.observe.port", "advisor.cameras.index"),
}  # fmt: skip
"""Numeric keys without a relation, by the reason why they need none."""


def contradictions(settings: BaseModel, given: frozenset[str] = frozenset()) -> Iterator[str]:
    """Each violated relation as one text that names both keys, their values and what must hold.

    `given`: keys that the file names (`table.key`); the others are shown as defaults.
    """
    for relation in RELATIONS:
        low, high = value_of(settings, relation.low), value_of(settings, relation.high)
        scaled, strict = low * relation.factor, relation.order == "<"
        if relation.when(settings) and not (scaled < high if strict else scaled <= high):
            one, other = _side(settings, relation.low, low, given), _side(settings, relation.high, high, given)
            bound = f"{'below' if strict else 'at most'} {_number(high / relation.factor)}"
            yield f"{one} and {other} contradict each other: the first must be {bound}, else {relation.why}"
    if settings.storage.fsync == "always" and settings.storage.flush_every > 1:  # type: ignore[attr-defined]
        yield (
            "[storage] fsync = 'always' and [storage] flush_every contradict each other: the second must be 1, else a"
            " record is acknowledged before it is on the disk"
        )
    yield from tls_contradictions(settings.service)  # type: ignore[attr-defined]
    yield from _notification_contradictions(settings)
    yield from _sensor_contradictions(settings)
    yield from _feeds_and_names(settings)


def _notification_contradictions(settings: Any) -> Iterator[str]:
    notify = settings.notify
    if bool(notify.quiet_from) != bool(notify.quiet_to) or (notify.quiet_from and notify.quiet_from == notify.quiet_to):
        yield (
            "[notify] quiet_from and [notify] quiet_to contradict each other: give both, two different times, or none"
        )
    if notify.link and not settings.service.enabled:
        yield "[notify] link and [service] enabled = false contradict each other: nobody would serve the link"
    host = urlsplit(notify.link).hostname or ""
    if host and host not in {name.strip("[]") for name in served_names(settings.service)}:
        yield (
            f"[notify] link = {notify.link!r} and [service] hosts contradict each other: the dashboard answers only"
            f" under the names there, so add {host!r}"
        )


def _sensor_contradictions(settings: Any) -> Iterator[str]:
    """A foreign soil sensor is a probe of its own, which the estimator must know; none has the id of the board's."""
    probes = {probe.id for probe in settings.estimator.probes}
    for sensor in settings.mqtt.sensors:
        if sensor.quantity == "soil_moisture_pct" and sensor.id not in probes - BOARD_PROBES:
            yield (
                f"[[mqtt.sensors]] id = {sensor.id!r} and [estimator] probes contradict each other: a soil sensor needs"
                f" a row of its own there, beside {' and '.join(sorted(BOARD_PROBES))}, which are the board's"
            )


def _feeds_and_names(settings: Any) -> Iterator[str]:
    """Two facts that belong to one place, of which one points at nothing or at itself."""
    probes = {probe.id for probe in settings.estimator.probes}
    for plant in settings.tent.plants:
        if plant.probe and f"P{plant.probe}" not in probes:
            yield (
                f"[[tent.plants]] probe = {plant.probe} and [estimator] probes contradict each other: there is no row"
                f" with id = 'P{plant.probe}'"
            )
    known = (*FORECAST, *(f"soil.{probe}" for probe in sorted(probes)))
    for name in (part.strip() for part in settings.learn.quantities.split(",")):
        if name not in known:
            yield (
                f"[learn] quantities = {settings.learn.quantities!r} and the forecast contradict each other: it has no"
                f" {name!r}, but {', '.join(known)}"
            )
    own = f"tomato/{settings.mqtt.node}/"
    for sensor in settings.mqtt.sensors:
        if sensor.topic.startswith(own):
            yield (
                f"[[mqtt.sensors]] topic = {sensor.topic!r} and [mqtt] node = {settings.mqtt.node!r} contradict each"
                f" other: this host publishes below {own} itself"
            )
    bus = settings.learn.bus
    by_stream: dict[str, str] = {}
    for key in STREAMS:
        first = by_stream.setdefault(getattr(bus, key), key)
        if first != key:
            yield (
                f"[learn.bus] {first} and [learn.bus] {key} contradict each other: both are {getattr(bus, key)!r}, and"
                " each reader would get the other's messages"
            )


def value_of(settings: BaseModel, name: str) -> float:
    """The number behind `table.key` (tables may be nested), or behind a value of the growth stage."""
    if name.startswith(STAGE):
        return _stage_value(settings, name)[1]
    found: Any = settings
    for part in name.split("."):
        found = getattr(found, part)
    return float(found)


def _stage_value(settings: Any, name: str) -> tuple[str, float]:
    """Field of the stage's row and its number; of a band by day and night the field that reaches further."""
    control: ControlSettings = settings.control
    row = stage_row(control, control.stage)
    field, _, end = name.removeprefix(STAGE).partition(".")
    if not end:
        return field, float(getattr(row, field))
    bands = {band: getattr(row, band) for band in BANDS[field]}
    furthest = min(bands, key=lambda band: bands[band][0]) if end == "low" else max(bands, key=lambda b: bands[b][1])
    return furthest, float(bands[furthest][end == "high"])


def _side(settings: Any, name: str, value: float, given: frozenset[str]) -> str:
    if name.startswith(STAGE):
        field, stage = _stage_value(settings, name)[0], settings.control.stage
        key = OWN_KEYS.get(field, field)
        if key in getattr(settings.control.stages, stage).model_fields_set:
            return f"[control.stages.{stage}] {key} ({_number(value)})"
        return f"[control] stage = {stage!r} ({field} {_number(value)})"
    table, _, key = name.rpartition(".")
    return f"[{table}] {key} = {_number(value)}{'' if name in given else ' (default)'}"


def _number(value: float) -> str:
    return f"{value:.10g}"
