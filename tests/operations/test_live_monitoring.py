"""A live host with real brokers: all displays show the same, and each query of the Grafana board has a series."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from tomato_host.storage import Dataset

from tests.bus.brokers import MOSQUITTO, REDIS, RealMosquitto, RealRedis
from tests.contracts.examples import example, parsed
from tests.incidents.running_host import RunningHost, free_port, running_host, until

PROMETHEUS = shutil.which("prometheus")
ROOT = Path(__file__).resolve().parents[2]
BOARD = json.loads((ROOT / "deploy" / "grafana" / "tomato.json").read_text(encoding="utf-8"))
pytestmark = pytest.mark.skipif(
    None in (PROMETHEUS, MOSQUITTO, REDIS), reason="needs prometheus, mosquitto and redis-server (Debian's packages)"
)
ON_A_TERMINAL = """
import os, pty, sys, threading
ours, theirs = pty.openpty()
log = os.dup(1)
os.dup2(theirs, 1)
def copy():
    while True:
        os.write(log, os.read(ours, 65536))
threading.Thread(target=copy, daemon=True).start()
from tomato_host.cli.main import main
main(sys.argv[1:])
"""
"""The host with a terminal as its standard output, whose screen goes into the log."""


@dataclass
class Brokers:
    """Both brokers, and the settings that use them."""

    mqtt: RealMosquitto
    redis: RealRedis

    @property
    def settings(self) -> str:
        mqtt = f'[mqtt]\nenabled = true\nport = {self.mqtt.port}\nnode = "tent"\n'
        return f'{mqtt}[bus]\nenabled = true\nurl = "{self.redis.url}"\nnode = "tent"\n'


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[Brokers]:
    found = Brokers(RealMosquitto(tmp_path / "mqtt"), RealRedis(tmp_path / "redis"))
    yield found
    found.mqtt.stop()
    found.redis.stop()


# -- every display shows the same -----------------------------------------------------------------------------

DISPLAYS = ("rest", "stream", "mqtt", "metrics", "watch")
"""Those that say of which moment their values are; the terminal does not."""
Shown = tuple[float | None, float | None]
"""VPD in kPa and the water left today in ml."""


@dataclass
class Seen:
    """By display and moment of the estimate what was shown, and by display the modes of that moment."""

    values: dict[str, dict[str, set[Shown]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    modes: dict[str, dict[str, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    now: dict[str, tuple[str, Shown, str]] = field(default_factory=dict)
    """By display what it shows now: moment of the estimate, values, mode."""

    def add(self, display: str, ts: str | None, vpd: float | None, left_ml: float | None, mode: str) -> None:
        if ts is not None:
            moment, shown = f"{moment_s(ts):.3f}", (vpd, None if left_ml is None else round(left_ml, 1))
            self.values[display][moment].add(shown)
            self.modes[display][moment].add(mode)
            self.now[display] = moment, shown, mode


def moment_s(ts: str) -> float:
    return datetime.fromisoformat(ts).timestamp()


def watch_rest(host: RunningHost, seen: Seen) -> None:
    glance = host.get("/api/glance")
    live = glance["live"]
    if live:
        mode = glance["status"]["mode"]
        seen.add("rest", live["ts"], live["vpd_kpa"], live["water_ml_left_today"], mode)


def watch_metrics(host: RunningHost, seen: Seen) -> None:
    page = host.get("/metrics")
    found = dict(re.findall(r"^(tomato_[a-z_]+) (\S+)$", page, re.M))
    modes = re.findall(r'^tomato_mode\{mode="(\w+)"\} 1.0$', page, re.M)
    if stamp := found.get("tomato_estimate_timestamp_seconds"):
        vpd = found.get("tomato_vapour_pressure_deficit_kilopascal")
        left = found.get("tomato_water_budget_left_liters")
        ts = datetime.fromtimestamp(float(stamp), UTC).isoformat()
        left_ml = None if left is None else float(left) * 1_000.0
        seen.add("metrics", ts, None if vpd is None else float(vpd), left_ml, modes[0])


def watch_stream(host: RunningHost, seen: Seen, over: threading.Event) -> None:
    with urlopen(f"http://127.0.0.1:{host.port}/api/stream", timeout=30) as answer:
        for line in answer:
            if over.is_set():
                return
            if line.startswith(b"data: ") and (message := json.loads(line[6:]))["kind"] == "status":
                live = message["data"].get("live") or {}
                left = live.get("water_ml_left_today")
                seen.add("stream", live.get("ts"), live.get("vpd_kpa"), left, message["data"]["mode"])


def follow_watch(host: RunningHost, seen: Seen, over: threading.Event) -> None:
    """`tomato-host watch`, the panel of another process, by its lines of each second."""
    command = [sys.executable, "-m", "tomato_host", "watch", "--json", "--url", f"http://127.0.0.1:{host.port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told = json.loads(line)
            values = {row["name"]: row["value"] for row in told["values"]}
            live = told["live"]
            assert values.get("VPD") == live["vpd_kpa"]
            seen.add("watch", told["ts"], live["vpd_kpa"], live["water_ml_left_today"], told["mode"])
            if over.is_set():
                process.terminate()


@contextmanager
def subscription(port: int, seen: Seen) -> Iterator[None]:
    import paho.mqtt.client as mqtt

    def hear(_client: object, _data: object, message: Any) -> None:
        told = json.loads(message.payload)
        seen.add("mqtt", told["ts"], told["vpd_kpa"], told["water_ml_left_today"], told["mode"])

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_message = hear
    client.connect("127.0.0.1", port)
    client.subscribe("tomato/tent/state", qos=1)
    client.loop_start()
    try:
        yield
    finally:
        client.loop_stop()
        client.disconnect()


def repeat(work: Callable[[], None], over: threading.Event) -> threading.Thread:
    def run() -> None:
        while not over.wait(0.2):
            work()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def terminal_frames(log: str) -> list[tuple[str, str, int, int]]:
    """VPD, mode, water used and budget of each picture of the terminal's panel."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", log)
    found = []
    for frame in plain.split("╭")[1:]:
        mode, vpd = re.search(r"mode ([A-Z]+)", frame), re.search(r"([\d.]+|-) kPa", frame)
        water = re.search(r"water (\d+) / (\d+) ml today", frame)
        if mode and vpd and water:
            found.append((vpd[1], mode[1], int(water[1]), int(water[2])))
    return found


def all_shown(host: RunningHost, seen: Seen) -> tuple[set[tuple[str, Shown, str]], set[tuple[str, str, str]]]:
    """What the displays show at this instant: with the moment of the estimate, and rounded as on the terminal."""
    now = dict(seen.now)
    with open(host.log_path, "rb") as log:
        log.seek(max(0, log.seek(0, 2) - 40_000))
        frames = terminal_frames(log.read().decode(errors="replace"))
    rounded = {(f"{vpd:.2f}", f"{left:.0f}", mode) for _, (vpd, left), mode in now.values() if None not in (vpd, left)}
    if frames:
        vpd_text, mode, used, budget = frames[-1]
        rounded.add((vpd_text, f"{budget - used:.0f}", mode))
    return {now.get(name, ("", (None, None), "")) for name in DISPLAYS}, rounded


def watch_seconds(host: RunningHost, seen: Seen, over: threading.Event, apart: list[str | None]) -> None:
    """For every second what the displays did not agree on all through it; None where they were equal."""
    while not over.is_set():
        end, exact, rounded = time.monotonic() + 1.0, set[Any](), set[Any]()
        while time.monotonic() < end and not (len(exact) == len(rounded) == 1):
            exact, rounded = all_shown(host, seen)
            time.sleep(0.05)
        apart.append(None if len(exact) == len(rounded) == 1 else f"{exact} {rounded}")
        over.wait(max(0.0, end - time.monotonic()))


def check_equal(brokers: Brokers, place: Path, seconds: float, *, dose: bool) -> None:
    seen, over = Seen(), threading.Event()
    with (
        running_host(
            place, brokers.settings, begin=("-c", ON_A_TERMINAL), environment={"COLUMNS": "200", "TERM": "xterm"}
        ) as (host, _),
        subscription(brokers.mqtt.port, seen),
    ):
        until(lambda: host.get("/api/glance")["live"].get("vpd_kpa") is not None, "a first estimate")
        threads = [repeat(lambda: watch_rest(host, seen), over), repeat(lambda: watch_metrics(host, seen), over)]
        threads.append(threading.Thread(target=watch_stream, args=(host, seen, over)))
        threads.append(threading.Thread(target=follow_watch, args=(host, seen, over)))
        for thread in threads[-2:]:
            thread.start()
        apart: list[str | None] = []
        try:
            until(lambda: set(seen.now) == set(DISPLAYS), "all displays have begun")
            threads.append(threading.Thread(target=watch_seconds, args=(host, seen, over, apart)))
            threads[-1].start()
            end = time.monotonic() + seconds
            time.sleep(seconds / 3.0)
            assert host.post("/api/mode", mode="PAUSED", hours=1.0, reason="test")[0] == 200
            if dose:
                time.sleep(seconds / 3.0)
                assert host.post("/api/mode", mode="NORMAL", hours=1.0, reason="test")[0] == 200
                host.post("/api/water", ml=40.0, reason="test")
            time.sleep(max(0.0, end - time.monotonic()))
        finally:
            over.set()
            for thread in threads:
                thread.join(30)
        budget = host.get("/api/glance")["live"]["water_ml_budget_today"]
        log = host.log_path.read_text(errors="replace")
        host.stop()
    assert len(apart) >= seconds and not any(apart), [text for text in apart if text]
    compare(seen, seconds)
    ever_shown = set().union(*seen.values["stream"].values(), *seen.values["rest"].values())
    frames = set(terminal_frames(log))
    assert len(frames) >= 2, "the terminal shows the change of mode, too"
    assert {"PAUSED"} <= {mode for _, mode, _, _ in frames} <= set().union(*seen.modes["stream"].values())
    rounded = {f"{vpd:.2f}" for vpd, _ in ever_shown if vpd is not None}
    used = {f"{budget - left:.0f}" for _, left in ever_shown if left is not None}
    late = {vpd for vpd, *_ in frames} - rounded
    assert len(late) <= 1, f"only the time before the first request may show something else: {late}, {rounded}"
    assert {f"{water}" for _, _, water, _ in frames} <= used
    assert {limit for *_, limit in frames} == {round(budget)}


def compare(seen: Seen, seconds: float) -> None:
    moments = set.intersection(*(set(seen.values[name]) for name in DISPLAYS))
    assert len(moments) >= seconds / 4.0, {name: len(seen.values[name]) for name in DISPLAYS}
    for moment in moments:
        shown = {name: seen.values[name][moment] for name in DISPLAYS}
        assert len(set().union(*shown.values())) == 1, f"{moment}: {shown}"
        modes = {name: seen.modes[name][moment] for name in DISPLAYS}
        assert all(found <= modes["stream"] | modes["rest"] for found in modes.values()), f"{moment}: {modes}"
    modes_of = {name: set().union(*seen.modes[name].values()) for name in DISPLAYS}
    assert all("PAUSED" in found for found in modes_of.values()), modes_of


def test_terminal_dashboard_mqtt_and_metrics_show_the_same(brokers: Brokers, tmp_path: Path) -> None:
    check_equal(brokers, tmp_path, 12.0, dose=False)


@pytest.mark.soak
def test_they_do_so_for_two_minutes_with_a_dose(brokers: Brokers, tmp_path: Path) -> None:
    check_equal(brokers, tmp_path, 120.0, dose=True)


# -- the Grafana board against a Prometheus that really scrapes ---------------------------------------------------

MAY_BE_EMPTY = (
    "tomato_interlock_active{",
    "tomato_anomaly_open{",
    "tomato_plan_duration_seconds{",
    # No smart plug follows an output here.
    "tomato_plug_on{",
    "tomato_plug_latched{",
    # Nobody from outside has asked for anything in this short run.
    "sum by (agent, code) (rate(tomato_intents_total{",
    "rate(tomato_intents_cancelled_total{",
    "rate(tomato_view_messages_total{",
)
"""Series of a tent in which something is wrong, or whose planner has a forecast; their panels say "not known"."""


def panels(found: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    for panel in found:
        for target in panel.get("targets", ()):
            yield panel, target["expr"]
        yield from panels(panel.get("panels", []))


@contextmanager
def scraping(place: Path, port: int) -> Iterator[str]:
    """A real Prometheus with the project's rules; gives the address of its interface."""
    config, own = place / "prometheus.yml", free_port()
    config.write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        f"rule_files: ['{ROOT / 'deploy' / 'prometheus' / 'tomato.rules.yml'}']\n"
        f"scrape_configs: [{{job_name: tomato, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
    )
    command = [PROMETHEUS or "", f"--config.file={config}", f"--storage.tsdb.path={place / 'tsdb'}",
               f"--web.listen-address=127.0.0.1:{own}", "--log.level=error"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{own}"
    finally:
        process.terminate()
        process.wait(20)


def asked(prometheus: str, query: str) -> list[dict[str, Any]]:
    with urlopen(f"{prometheus}/api/v1/query?query={quote(query)}", timeout=10) as answer:
        told = json.load(answer)
    assert told["status"] == "success", told
    result = told["data"]["result"]
    return [{"metric": {}, "value": result}] if told["data"]["resultType"] == "scalar" else list(result)


def label_values(prometheus: str, query: str) -> list[str]:
    """What Grafana puts into a variable: `label_values(metric, label)`."""
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", query).groups()  # type: ignore[union-attr]
    return sorted({one["metric"][label] for one in asked(prometheus, metric)})


def test_every_query_of_the_board_has_a_series(brokers: Brokers, tmp_path: Path) -> None:
    (variable,) = (one for one in BOARD["templating"]["list"] if one["type"] == "query")
    queries = list(panels(BOARD["panels"]))
    assert len(queries) > 50
    data = tmp_path / "data"
    now, hours = datetime.now(UTC).isoformat(), example("prediction_36h_v1")["hours"] * 36
    with Dataset.open(data) as store:  # a host has its first forecast after an hour, and shows the last one until then
        store.append(parsed("prediction_36h_v1", ts=now, hours=hours))
        store.append(parsed("targets_v1", ts=now))
    with (
        running_host(tmp_path, brokers.settings, data=data) as (host, _),
        scraping(tmp_path, host.port) as prometheus,
    ):
        until(lambda: host.get("/api/glance")["prediction"] and host.get("/api/glance")["plan"], "a first decision")
        until(lambda: "tomato_bus_up 1.0" in host.get("/metrics"), "the bus")
        until(lambda: "tomato_mqtt_up 1.0" in host.get("/metrics"), "MQTT")
        until(lambda: "tomato_air_co2_ppm" in host.get("/metrics"), "the first CO2 reading, later than the others")

        def tents() -> list[str]:
            try:
                return label_values(prometheus, variable["query"]["query"])
            except OSError:
                return []

        until(lambda: tents() == [f"127.0.0.1:{host.port}"], "the variable's value")
        time.sleep(4.0)  # a rate needs two scrapes
        empty = []
        for panel, expr in queries:
            # A forecast of six hours ago is asked of now: the run is younger than that.
            query = expr.replace("$tent", tents()[0]).replace(" offset 6h", "")
            assert "$" not in query, f"an unknown variable: {query}"
            if asked(prometheus, query):
                continue
            if not expr.startswith(MAY_BE_EMPTY) or not panel["fieldConfig"]["defaults"].get("noValue"):
                empty.append(f"{panel['title']}: {query}")
        assert empty == []
        assert asked(prometheus, 'up{job="tomato"}')[0]["value"][1] == "1"
        assert asked(prometheus, 'ALERTS{alertstate="firing"}') == [], "a healthy tent rings nothing"
        host.stop()
