"""A command that lies retained in the broker is replayed to every new listener: here it moves nothing, and is told."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.incidents.running_host import RunningHost, Tent, running_host, until
from tests.mqtt.test_broker import Broker, Listener, pytestmark

__all__ = ["pytestmark"]  # skipped, with its reason, where there is no mosquitto


def refused_and_gone(host: RunningHost, tent: Tent, ear: Listener, word: str, count: int) -> None:
    """The sender has an answer, the plant no water."""
    until(lambda: len(ear.answers) >= count, "the answer")
    assert ear.answers[count - 1]["ok"] is False and word in ear.answers[count - 1]["text"]
    assert not tent.on("light") and tent()["pumped_ml"] == 0.0
    assert not [a for a in host.records("actions") if a["origin"] == "mqtt"]


def test_retained_before_the_start_and_at_each_restart(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    ear = Listener(broker.port)
    # It is night in this tent for another two hours, so that nothing else switches the lamp on.
    morning_h = (datetime.now(ZoneInfo("Europe/Vienna")).hour + 2) % 24
    extra = f"""[mqtt]
enabled = true
port = {broker.port}
node = 'tent'
[control]
light_start_local_h = {morning_h}.0
"""
    try:
        ear.command("water", retain=True)
        ear.command("light", "ON", retain=True)
        with running_host(tmp_path, extra) as (host, tent):
            refused_and_gone(host, tent, ear, "retained", 2)
            host.kill()
            host.start()
            until(lambda: host.status()["link"] == "up", "the link")
            late = Listener(broker.port)
            until(lambda: "tomato/tent/host" in late.newest, "what the broker keeps")
            assert not [topic for topic in late.newest if "/command/" in topic], "it lies in wait for nobody"
            late.close()
            ear.command("water", age_s=90.0)
            refused_and_gone(host, tent, ear, "stale", 3)
            host.stop()
    finally:
        ear.close()
        broker.stop()
