"""All durable records by schema version, and the one way to read a line of unknown kind."""

from __future__ import annotations

import json

from shared_schemas.records.action_v1 import ActionType, ActionV1
from shared_schemas.records.agent_v1 import AgentQuotas, AgentV1, LatencyModel
from shared_schemas.records.anomaly_v1 import AnomalyType, AnomalyV1, Severity
from shared_schemas.records.base import Part, Record
from shared_schemas.records.device_status_v1 import DeviceStatusV1
from shared_schemas.records.event_v1 import EventV1
from shared_schemas.records.extra_reading_v1 import ExtraReadingV1
from shared_schemas.records.forecast_36h_v1 import Forecast36hV1
from shared_schemas.records.growth_event_v1 import GrowthEventV1
from shared_schemas.records.growth_report_v1 import GrowthReportV1
from shared_schemas.records.journal_v1 import JournalV1
from shared_schemas.records.observation_v1 import ObservationV1
from shared_schemas.records.plan_v1 import PlanV1
from shared_schemas.records.prediction_36h_v1 import Prediction36hV1
from shared_schemas.records.sampling_plan_v1 import SamplingPlanV1
from shared_schemas.records.sensor_health_v1 import FaultType, SensorHealthV1
from shared_schemas.records.state_v1 import StateV1
from shared_schemas.records.targets_v1 import TargetsV1
from shared_schemas.records.vision_cv_v1 import VisionCvV1
from shared_schemas.records.vision_v1 import VisionV1
from shared_schemas.records.weather_adapter_log_v1 import WeatherAdapterLogV1

RECORDS: dict[str, type[Record]] = {
    "observation_v1": ObservationV1,
    "device_status_v1": DeviceStatusV1,
    "state_v1": StateV1,
    "sensor_health_v1": SensorHealthV1,
    "anomaly_v1": AnomalyV1,
    "action_v1": ActionV1,
    "vision_v1": VisionV1,
    "vision_cv_v1": VisionCvV1,
    "forecast_36h_v1": Forecast36hV1,
    "prediction_36h_v1": Prediction36hV1,
    "targets_v1": TargetsV1,
    "sampling_plan_v1": SamplingPlanV1,
    "weather_adapter_log_v1": WeatherAdapterLogV1,
    "plan_v1": PlanV1,
    "event_v1": EventV1,
    "agent_v1": AgentV1,
    "growth_event_v1": GrowthEventV1,
    "growth_report_v1": GrowthReportV1,
    "journal_v1": JournalV1,
    "extra_reading_v1": ExtraReadingV1,
}
"""Every record kind that may stand in a dataset."""


def parse_record(line: str | bytes) -> Record:
    """Read one JSON line by its own `schema_version`.

    Raises ValueError (pydantic.ValidationError is one) when the JSON, the version or a field is wrong.
    """
    raw = json.loads(line)
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version not in RECORDS:
        raise ValueError(f"schema_version {version!r} is unknown; known are {', '.join(RECORDS)}")
    return RECORDS[version].model_validate_json(line)


__all__ = [
    "RECORDS",
    "ActionType",
    "ActionV1",
    "AgentQuotas",
    "AgentV1",
    "AnomalyType",
    "AnomalyV1",
    "DeviceStatusV1",
    "EventV1",
    "ExtraReadingV1",
    "FaultType",
    "Forecast36hV1",
    "GrowthEventV1",
    "GrowthReportV1",
    "JournalV1",
    "LatencyModel",
    "ObservationV1",
    "Part",
    "PlanV1",
    "Prediction36hV1",
    "Record",
    "SamplingPlanV1",
    "SensorHealthV1",
    "Severity",
    "StateV1",
    "TargetsV1",
    "VisionCvV1",
    "VisionV1",
    "WeatherAdapterLogV1",
    "parse_record",
]
