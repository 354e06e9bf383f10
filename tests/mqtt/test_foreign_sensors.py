"""Sensors by topic or entity over a real mosquitto: units, plausibility, age; what is no value is named once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tomato_host.errors import TomatoError
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.service.feeds import mqtt_feed
from tomato_host.service.foreign_readings import ForeignReadings
from tomato_host.service.mqtt.sensors import ForeignSensors, ValueRefused, parse_value
from tomato_host.service.mqtt.settings import MqttSettings, SensorSettings
from tomato_host.settings import parse_settings

from shared_schemas.records import EventV1, ExtraReadingV1, Record
from tests.mqtt.test_broker import MOSQUITTO, NOW, Broker, NoStore, until

mqtt = pytest.importorskip("paho.mqtt.client")
ROWS: list[dict[str, Any]] = [
    {
        "id": "shelf",
        "quantity": "air_temp_c",
        "topic": "tele/shelf",
        "field": "AM2301.Temperature",
        "unit": "degF",
    },
    {"id": "bed", "quantity": "soil_moisture_pct", "entity": "sensor.bed_moisture", "unit": "fraction"},
    {"id": "lux", "quantity": "light_lux", "topic": "lux"},
]
TABLES = {
    "mqtt": {"enabled": True, "sensors": ROWS},
    "estimator": {"probes": [{"id": "P1", "zone": "1"}, {"id": "P2", "zone": "2"}, {"id": "bed", "zone": "1"}]},
}


def sensor(**fields: Any) -> SensorSettings:
    return SensorSettings.model_validate({"id": "one", "quantity": "air_temp_c", "topic": "t", **fields})


@pytest.mark.parametrize(
    ("fields", "payload", "value"),
    [
        ({}, b"21.5", 21.5),
        ({"unit": "degF"}, b" 71.6 ", 22.0),
        ({"unit": "K"}, b"295.15", 22.0),
        ({"field": "AM2301.Temperature"}, b'{"AM2301": {"Temperature": 20, "Humidity": 55}}', 20.0),
        ({"quantity": "rh_pct", "unit": "fraction"}, b"0.6", 60.0),
        ({"quantity": "light_lux", "unit": "klx"}, b"12.5", 12_500.0),
    ],
)
def test_a_payload_becomes_the_unit_of_the_record(fields: dict[str, Any], payload: bytes, value: float) -> None:
    assert parse_value(sensor(**fields), payload) == pytest.approx(value)


HOSTILE = (b"unavailable", b"", b"nan", b"1e400", b"true", b"[" * 900, b"\xff\xfe", b"9" * 5_000, b"null")


@pytest.mark.parametrize("payload", HOSTILE)
@pytest.mark.parametrize("field", ["", "a.b"])
def test_what_is_no_number_is_refused_with_a_reason(payload: bytes, field: str) -> None:
    with pytest.raises(ValueRefused) as refused:
        parse_value(sensor(field=field), payload)
    assert str(refused.value)


def test_settings_name_what_contradicts() -> None:
    assert len(parse_settings(TABLES).mqtt.sensors) == 3
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"topic": ""}, "either topic or entity"),
        ({"entity": "sensor.x"}, "either topic or entity"),
        ({"unit": "ppm"}, "no unit of air_temp_c"),
        ({"topic": "a/#"}, "topic"),
        ({"confidence": 0.9}, "confidence"),
        ({"quantity": "soil_moisture_pct"}, "[estimator] probes"),
        ({"quantity": "soil_moisture_pct", "id": "P1"}, "are the board's"),
    ]
    for fields, why in wrong:
        row = {"id": "one", "quantity": "air_temp_c", "topic": "t", **fields}
        with pytest.raises(TomatoError, match="E-CONFIG-INVALID") as refused:
            parse_settings({"mqtt": {"sensors": [row]}})
        assert why in str(refused.value), fields
    with pytest.raises(TomatoError, match="different ids"):
        parse_settings({"mqtt": {"sensors": [ROWS[2], ROWS[2]]}})


def test_a_retained_value_has_no_age_and_counts_for_nothing() -> None:
    sensors = ForeignSensors((sensor(),), "ha")
    sensors.on_message("t", b"21", True, NOW)
    assert sensors.status()["sensors"] == {}
    sensors.on_message("t", b"21", False, NOW)
    assert sensors.status()["sensors"]["one"]["value"] == 21.0


class Installation:
    """The real feed to the real MQTT process; what is recorded, and what the brain is given."""

    def __init__(self, place: Path, port: int) -> None:
        self.records: list[Record] = []
        self.given: list[ExtraReadingV1] = []
        status = Status(NOW, NOW, link="up")
        recorder = Recorder(NoStore(), status)
        recorder.listeners.append(self.records.append)
        settings = parse_settings({**TABLES, "mqtt": {"enabled": True, "port": port, "sensors": ROWS}}).mqtt
        readings = ForeignReadings(settings.sensors, recorder, self.given.append, ZoneInfo("Europe/Vienna"))
        self.feed = mqtt_feed(settings, status, recorder, place, readings)

    def events(self, name: str) -> list[EventV1]:
        return [one for one in self.records if isinstance(one, EventV1) and one.name == name]


@contextmanager
def running(place: Path, port: int) -> Iterator[Installation]:
    found, over = Installation(place, port), threading.Event()

    def live() -> None:
        while not over.wait(0.1):
            found.feed.tick(datetime.now(UTC))

    found.feed.start()
    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
        found.feed.stop()


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not here (apt install mosquitto)")
def test_values_come_over_a_real_broker_and_nonsense_is_one_event(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        with running(tmp_path, broker.port) as host:

            def publish_until(topic: str, payload: str, seen: Any) -> None:
                def again() -> Any:
                    client.publish(topic, payload, qos=1)
                    return seen()

                until(again)

            shelf = json.dumps({"Time": "now", "AM2301": {"Temperature": 77.0}})
            publish_until("tele/shelf", shelf, lambda: {r.id for r in host.given} == {"shelf"})
            publish_until("homeassistant_states/sensor/bed_moisture/state", "0.31", lambda: len(host.given) == 2)
            values = {one.id: (one.quantity, one.value, one.confidence) for one in host.given}
            assert values["shelf"] == ("air_temp_c", 25.0, 0.45)
            assert values["bed"] == ("soil_moisture_pct", 31.0, 0.45)
            assert [one for one in host.records if isinstance(one, ExtraReadingV1)] == host.given
            publish_until("lux", "unavailable", lambda: host.events("extra_sensor_refused"))
            publish_until("lux", "800", lambda: host.events("extra_sensor_back"))
            assert len(host.events("extra_sensor_refused")) == 1, "said once, with the reason"
            assert "unavailable" in host.events("extra_sensor_refused")[0].text
            assert host.given[-1].id == "lux" and host.given[-1].value == 800.0
            for hostile in HOSTILE:
                client.publish("lux", hostile, qos=1)
            publish_until("lux", "500000", lambda: len(host.events("extra_sensor_refused")) == 2)
            assert "500000 is not plausible" in host.events("extra_sensor_refused")[1].text
            assert host.feed.restarts == 0
    finally:
        client.loop_stop()
        client.disconnect()
        broker.stop()


def test_what_is_implausible_is_refused_by_the_limits_of_the_boards_sensors() -> None:
    found = Recorder(NoStore(), Status(NOW, NOW))
    seen: list[Record] = []
    found.listeners.append(seen.append)
    given: list[ExtraReadingV1] = []
    readings = ForeignReadings((sensor(),), found, given.append, UTC)

    def told(value: float, second: int) -> dict[str, Any]:
        return {"sensors": {"one": {"value": value, "ts": NOW.replace(second=second).isoformat()}}}

    readings.on_status(told(85.0, 0), NOW)
    assert given == [] and "85 is not plausible" in str(seen[0])
    readings.on_status(told(21.0, 10), NOW)
    readings.on_status(told(22.0, 20), NOW)
    assert [one.value for one in given] == [21.0], "a value each half minute is enough"
    assert MqttSettings().sensors == ()
