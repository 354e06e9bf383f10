"""The broker goes away and comes back: the plant does not notice, Home Assistant is told everything anew."""

from __future__ import annotations

import json
from pathlib import Path

from tests.incidents.running_host import running_host, until
from tests.mqtt.test_broker import Broker, Listener, pytestmark

__all__ = ["pytestmark"]  # skipped, with its reason, where there is no mosquitto


def test_stopped_and_started_again(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    ear = Listener(broker.port)
    try:
        with running_host(tmp_path, f"[mqtt]\nenabled = true\nport = {broker.port}\nnode = 'tent'\n") as (host, tent):
            until(lambda: ear.newest.get("tomato/tent/board") == b"online", "the board in Home Assistant")
            broker.stop()
            ear.newest.clear()

            # Without a broker: readings, decisions and a person's commands as ever; the dashboard says who is missing.
            seen = host.status()["tally"]["observations"]
            until(lambda: host.status()["tally"]["observations"] >= seen + 5, "new readings")
            until(lambda: host.status()["tally"]["episodes"], "a decision")
            lamp = tent.on("light")
            code, _ = host.post("/api/switch", output="light", state="OFF" if lamp else "ON", seconds=60.0, reason="x")
            assert code == 200
            until(lambda: tent.on("light") is not lamp, "the lamp's switching")
            assert host.status()["link"] == "up"

            broker.start()
            until(lambda: ear.newest.get("tomato/tent/host") == b"online", "the host in Home Assistant")
            until(lambda: "homeassistant/device/tomato_tent/config" in ear.newest, "its description")
            until(lambda: "tomato/tent/state" in ear.newest, "its values")
            assert json.loads(ear.newest["tomato/tent/state"])["air_temp_c"] is not None
            ear.command("pause")
            until(lambda: ear.answers, "an answer to a command")
            assert ear.answers[-1]["ok"] is True
            until(lambda: host.status()["mode"] == "PAUSED", "the pause on the dashboard")
            host.stop()
            until(lambda: ear.newest.get("tomato/tent/host") == b"offline", "the orderly end")
            host.assert_whole()
            assert host.event_names().count("person_mode") == 1, "asked once, done once"
    finally:
        ear.close()
        broker.stop()
