"""The four alerts of the requirement through a real Prometheus and a real Alertmanager to a receiver, and back."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry
from tomato_host.learn.observability.endpoint import Endpoint
from tomato_host.learn.observability.metrics import LearnMetrics

from shared_schemas.learn.telemetry_pb2 import TelemetryEvent
from tests.incidents.running_host import free_port

PROMETHEUS, ALERTMANAGER = shutil.which("prometheus"), shutil.which("prometheus-alertmanager")
pytestmark = pytest.mark.skipif(
    None in (PROMETHEUS, ALERTMANAGER), reason="needs prometheus and prometheus-alertmanager (Debian's packages)"
)
DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FOUR = {
    "training_latency_high": "mail",
    "kasmina_isolation_violation": "chat",
    "oona_queue_depth": "mail",
    "tezzeret_compile_retry_high": "mail",
}
"""By alert the receiver that must hear of it; what is critical goes to the chat and by mail."""
QUICK = {"[5m]": "[6s]", "offset 5m": "offset 6s", "for: 2m": "for: 2s"}
"""The rules' own spans in a time in which a minute is a second."""


class Receiver:
    """Keeps what a real Alertmanager posts: by alert the receivers that heard it fire, and those that heard it end."""

    def __init__(self) -> None:
        firing, resolved = dict[str, set[str]](), dict[str, set[str]]()
        heard = {"firing": firing, "resolved": resolved}

        class Webhook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                for alert in json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"]:
                    heard[alert["status"]].setdefault(alert["labels"]["alertname"], set()).add(self.path.strip("/"))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                return

        self.firing, self.resolved = firing, resolved
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def process(words: list[str], ready: str) -> Iterator[None]:
    """A server that answers at `ready` from the beginning of the block on."""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            wait(lambda: answers(ready), 60.0, ready)
            yield
        finally:
            running.terminate()
            running.wait(20)


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait(done: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, what
        time.sleep(0.1)


@contextmanager
def chain(place: Path, scraped: int, receiver: int, quick: bool) -> Iterator[None]:
    """Prometheus with the shipped rules, Alertmanager with the shipped routes; `quick`: their spans shortened."""
    rules = (DEPLOY / "prometheus" / "learn.rules.yml").read_text(encoding="utf-8")
    routes = (DEPLOY / "learn" / "alertmanager.yml").read_text(encoding="utf-8")
    routes = routes.replace("127.0.0.1:9099", f"127.0.0.1:{receiver}")
    for slow, fast in QUICK.items() if quick else ():
        assert slow in rules
        rules = rules.replace(slow, fast)
    if quick:
        routes = routes.replace("route:\n", "route:\n  group_wait: 0s\n  group_interval: 1s\n", 1)
    (place / "rules.yml").write_text(rules)
    (place / "routes.yml").write_text(routes)
    own, other = free_port(), free_port()
    (place / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        f"rule_files: [{place / 'rules.yml'}]\n"
        f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{other}']}}]}}]}}\n"
        f"scrape_configs: [{{job_name: tomato-learn, static_configs: [{{targets: ['127.0.0.1:{scraped}']}}]}}]\n"
    )
    alertmanager = [ALERTMANAGER or "", f"--config.file={place / 'routes.yml'}", f"--storage.path={place / 'am'}",
                    f"--web.listen-address=127.0.0.1:{other}", "--cluster.listen-address="]  # fmt: skip
    prometheus = [PROMETHEUS or "", f"--config.file={place / 'prometheus.yml'}", f"--storage.tsdb.path={place / 'db'}",
                  f"--web.listen-address=127.0.0.1:{own}"]  # fmt: skip
    with ExitStack() as stack:
        stack.enter_context(process(alertmanager, f"http://127.0.0.1:{other}/-/ready"))
        stack.enter_context(process(prometheus, f"http://127.0.0.1:{own}/-/ready"))
        wait(lambda: is_scraped(own), 60.0, "a first scrape")
        yield


def is_scraped(prometheus: int) -> bool:
    with urlopen(f"http://127.0.0.1:{prometheus}/api/v1/query?query=up", timeout=5) as answer:
        return any(one["value"][1] == "1" for one in json.load(answer)["data"]["result"])


def fault(metrics: LearnMetrics) -> None:
    """What the observer counts of a night in which everything goes wrong."""
    for _ in range(3):
        metrics.count(TelemetryEvent(name="epoch_boundary", values={"boundary_ms": 40.0}))
        metrics.count(TelemetryEvent(name="isolation_violation", labels={"slot": "vpd_kpa.0"}))
    metrics.count(TelemetryEvent(name="compile_retry", values={"retries": 2.0}))
    metrics.depth.labels("telemetry").set(4_001.0)


def recovery(metrics: LearnMetrics) -> None:
    """What it counts of the night after."""
    metrics.count(TelemetryEvent(name="epoch_boundary", values={"boundary_ms": 4.0}))
    metrics.count(TelemetryEvent(name="compile_done", labels={"result": "done"}))
    metrics.depth.labels("telemetry").set(100.0)


def check_chain(place: Path, quick: bool, seconds: float) -> None:
    registry, receiver = CollectorRegistry(), Receiver()
    metrics = LearnMetrics(registry)
    endpoint = Endpoint("127.0.0.1", 0, registry, lambda: {"ok": True})
    try:
        with chain(place, endpoint.port, receiver.port, quick):
            time.sleep(3.0)
            assert not receiver.firing, "silent before the fault"
            fault(metrics)
            wait(lambda: set(FOUR) <= set(receiver.firing), seconds, "all four reach their receivers")
            assert not set(FOUR) & set(receiver.resolved)
            recovery(metrics)
            wait(lambda: set(FOUR) <= set(receiver.resolved), seconds, "all four end by themselves")
    finally:
        endpoint.close()
        receiver.close()
    for alert, where in FOUR.items():
        assert where in receiver.firing[alert] and where in receiver.resolved[alert], alert
        assert "mail" in receiver.firing[alert] and ("chat" in receiver.firing[alert]) is (where == "chat"), alert


def test_the_four_alerts_reach_their_receivers_and_end(tmp_path: Path) -> None:
    check_chain(tmp_path, quick=True, seconds=60.0)


@pytest.mark.soak
@pytest.mark.timeout(1_500)
def test_they_do_so_with_the_shipped_spans(tmp_path: Path) -> None:
    check_chain(tmp_path, quick=False, seconds=700.0)
