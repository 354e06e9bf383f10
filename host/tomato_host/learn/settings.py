"""Section `[learn]` of the settings: the learning loop, its bus, policy, offline learning and observation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat

from tomato_host.addresses import ListeningHost
from tomato_host.errors import TomatoError
from tomato_host.service.bus.transport import parse_address


def _redis_address(url: str) -> str:
    try:
        address = parse_address(url)
    except TomatoError as error:
        raise ValueError(error.message) from None
    if not address.is_redis:
        raise ValueError("the learning loop's bus is Redis: write redis:// or rediss://")
    return url


Stream = Annotated[str, Field(pattern=r"^[a-z0-9_.:-]{1,80}$")]
Fraction = Annotated[FiniteFloat, Field(ge=0.0, le=1.0)]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class LearnBusSettings(_Section):
    """Section `[learn.bus]`: packets, commands, reports and telemetry of the learning loop over Redis Streams."""

    enabled: bool = False
    """Publish over Redis; off, everything stays in this process and on its disk."""
    url: Annotated[str, AfterValidator(_redis_address)] = "redis://127.0.0.1:6379/0"
    """`redis://` or `rediss://` (extra [redis]); never with a password."""
    password_from: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")] = "TOMATO_LEARN_REDIS_PASSWORD"
    """The environment variable with the password."""
    policy: bool = False
    """Whether packets reach the policy, and commands the trainer, over the bus as well."""
    state_stream: Stream = "tolaria.state"
    """Stream of the trainer's state packets."""
    command_stream: Stream = "kasmina.commands"
    """Stream of the policy's commands."""
    report_stream: Stream = "tamiyo.field_reports"
    """Stream of field reports."""
    receipt_stream: Stream = "tamiyo.report_receipts"
    """Stream of receipts for field reports."""
    telemetry_stream: Stream = "nissa.telemetry"
    """Stream of telemetry."""
    update_stream: Stream = "simic.policy_updates"
    """Stream of announced policies."""
    trainer_group: Stream = "kasmina"
    """Consumer group that reads commands."""
    policy_group: Stream = "tamiyo"
    """Consumer group that reads state packets, receipts and announced policies."""
    offline_group: Stream = "simic"
    """Consumer group that reads field reports."""
    observe_group: Stream = "nissa"
    """Consumer group that reads telemetry."""
    conservative_depth: Annotated[int, Field(ge=10, le=10_000_000)] = 4_000
    """Waiting messages from which ordinary ones are refused and wait at their sender."""
    normal_depth: Annotated[int, Field(ge=1, le=10_000_000)] = 1_000
    """Waiting messages down to which they are refused, once that has begun."""
    drop_depth: Annotated[int, Field(ge=10, le=10_000_000)] = 8_000
    """Waiting messages from which ordinary ones without a copy at their sender are lost, and counted."""
    emergency_per_minute: Annotated[int, Field(ge=1, le=10_000)] = 120
    """Emergency messages at most; these pass however many others wait."""
    claim_s: Annotated[FiniteFloat, Field(ge=0.1, le=3_600.0)] = 60.0
    """A message that a reader holds for so long without an acknowledgement goes to another."""


class LearnObserveSettings(_Section):
    """Section `[learn.observe]`: what `tomato-host learn observe` serves and where it stores telemetry."""

    host: ListeningHost = "127.0.0.1"
    """Address of `/health` and `/metrics`."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 9_464
    """Port of `/health` and `/metrics`; 0 takes a free one."""
    elasticsearch: Annotated[str, Field(pattern=r"^(https?://[^@\s]{1,200})?$")] = ""
    """Address of Elasticsearch, `http://127.0.0.1:9200`; empty stores nothing there."""
    elasticsearch_key_from: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")] = "TOMATO_ELASTICSEARCH_KEY"
    """The environment variable with its API key."""
    index: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,60}$")] = "tomato-learn"
    """Beginning of the index names; a month each."""
    spool_mb: Annotated[int, Field(ge=1, le=10_000)] = 50
    """Telemetry that waits on the disk while Elasticsearch is away; the oldest goes first."""


class LearnPolicySettings(_Section):
    """Section `[learn.policy]`: who decides about slots, and the thresholds of risk."""

    kind: Literal["heuristic", "mlp", "gnn"] = "heuristic"
    """Heuristic, a network, or a graph network (both with torch). A learned one decides only once it is promoted."""
    yellow: Fraction = 0.25
    """Risk from which a command is mitigated."""
    orange: Fraction = 0.5
    """Risk from which the policy's command is replaced by the heuristic's."""
    red: Fraction = 0.7
    """Risk from which a command is blocked and a rollback or a pause asked for."""
    critical: Fraction = 0.9
    """Risk from which conservative mode is switched on."""
    conservative_factor: Annotated[FiniteFloat, Field(gt=0.0, le=1.0)] = 0.7
    """In conservative mode every threshold counts times this."""
    calm_windows: Annotated[int, Field(ge=1, le=30)] = 3
    """Epochs of lower risk before the level goes down; it goes up at once."""
    boundary_ms: Annotated[FiniteFloat, Field(gt=0.0, le=1_000.0)] = 18.0
    """Epoch boundary at which the signal of latency is at its half."""
    memory_mb: Annotated[FiniteFloat, Field(gt=0.0, le=100_000.0)] = 800.0
    """Resident memory at which the signal of resources is at its half."""
    metadata_influence: Fraction = 0.5
    """How much a blueprint's recorded worth counts in its selection; 0 takes the first of the pool."""
    metadata_wait_ms: Annotated[FiniteFloat, Field(ge=0.0, le=1_000.0)] = 10.0
    """Longest wait for a blueprint's metadata; after that the choice is made without."""
    experimental: bool = False
    """Whether experimental blueprints (BP036 to BP042) may be chosen."""


class LearnOfflineSettings(_Section):
    """Section `[learn.offline]`: replay of field reports and training of a policy from them."""

    replay_reports: Annotated[int, Field(ge=10, le=1_000_000)] = 5_000
    """Field reports that the replay holds; the oldest goes first."""
    replay_days: Annotated[FiniteFloat, Field(gt=0.0, le=3_650.0)] = 400.0
    """Age from which a report is no longer learned from."""
    least_reports: Annotated[int, Field(ge=8, le=100_000)] = 64
    """Reports below which nothing is trained."""
    learning_rate: Annotated[FiniteFloat, Field(gt=0.0, le=0.1)] = 0.001
    """Rate of PPO."""
    epochs: Annotated[int, Field(ge=1, le=50)] = 8
    """Passes over the reports."""
    target_kl: Annotated[FiniteFloat, Field(gt=0.0, le=1.0)] = 0.03
    """Training stops when the policy has moved so far."""
    lora: bool = False
    """Train low-rank adapters instead of all weights."""
    lora_rank: Annotated[int, Field(ge=4, le=16)] = 8
    """Rank of the adapters."""


class LearnSettings(_Section):
    """Section `[learn]`: small blocks grown into the forecast (docs/learning.md)."""

    expert: Literal["trees", "network"] = "trees"
    """What a block is: 40 shallow trees (no torch needed), or a network trained with torch (extra [learn])."""
    quantities: Annotated[str, Field(max_length=200)] = "vpd_kpa"
    """Forecast quantities with a growth slot, by comma: vpd_kpa, air_temp_c, soil.P1 ..."""
    learning_slots: Annotated[int, Field(ge=1, le=8)] = 2
    """Slots that may train at once; the others wait."""
    embargo_epochs: Annotated[int, Field(ge=1, le=60)] = 5
    """Nights that a slot stays closed after its block was culled; doubled with every further cull, up to eightfold."""
    fossil_readout: Literal["learning", "frozen"] = "learning"
    """Whether an accepted block goes on learning. `frozen` is the backlog's literal wording, and errs more."""
    window_days: Annotated[int, Field(ge=10, le=120)] = 30
    """Days of residuals that a block learns from."""
    steps: Annotated[int, Field(ge=1, le=1_000)] = 75
    """Training steps of a network each night."""
    learning_rate: Annotated[FiniteFloat, Field(gt=0.0, le=0.1)] = 0.01
    """Base rate of a network; new parameters start at a tenth of it for 10 nights."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of everything random in the loop."""
    bus: LearnBusSettings = LearnBusSettings()
    """Its own bus."""
    policy: LearnPolicySettings = LearnPolicySettings()
    """Who decides, and risk."""
    observe: LearnObserveSettings = LearnObserveSettings()
    """Its telemetry."""
    offline: LearnOfflineSettings = LearnOfflineSettings()
    """Learning from reports."""
