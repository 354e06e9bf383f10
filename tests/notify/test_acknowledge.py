"""Acknowledging from the phone, once and for one cause; quiet hours that hide nothing that kills the plant."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request as HttpRequest
from urllib.request import urlopen
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from tomato_host.commands.inbox import Inbox, Reply, Request
from tomato_host.service.history import History
from tomato_host.service.http_api import create_app
from tomato_host.service.live_state import LiveState
from tomato_host.service.notify.acknowledge_links import LIFETIME, MOST_LINKS, AcknowledgeLinks
from tomato_host.service.notify.filter import HOUR_S, NotificationFilter
from tomato_host.service.notify.notice import notices_of
from tomato_host.service.notify.quiet_hours import QuietHours
from tomato_host.service.notify.settings import RuleSettings
from tomato_host.service.notify.urgency import CAUSES
from tomato_host.service.settings import ServiceSettings
from tomato_host.settings import parse_settings
from tomato_host.twin import server

from shared_schemas.records import AnomalyType
from tests.incidents.running_host import RunningHost, until
from tests.incidents.serial_link import PullableLink
from tests.notify.test_delivery import Endpoint
from tests.notify.test_filter import anomaly, event, gate, say

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
VIENNA = ZoneInfo("Europe/Vienna")


def due(mine: NotificationFilter, now_s: float, quiet: bool = False) -> list[str]:
    return [message.text for message in mine.due(now_s, quiet=quiet)]


# -- what an acknowledgement does ------------------------------------------------------------------


def test_it_stops_escalation_and_repetition_of_that_cause_only() -> None:
    mine = gate(cool_down_s=0.0, repeat_s=HOUR_S)
    say(mine, event("link_down", "WARNING"), 0.0)
    say(mine, anomaly("HIGH", type_="RESERVOIR_LOW", subject=None), 0.0)
    assert mine.acknowledge("link", 60.0)
    told = due(mine, 7 * HOUR_S)  # both would be alarms by now
    assert len(told) == 1 and "Reservoir low" in told[0]
    assert all("Reservoir low" in text for text in due(mine, 9 * HOUR_S))


def test_what_becomes_worse_by_itself_is_sent_all_the_same() -> None:
    mine = gate()
    say(mine, anomaly("HIGH"), 0.0)
    assert mine.acknowledge("anomaly:VPD_HIGH:P1:", 1.0)
    assert say(mine, anomaly("HIGH"), 2_000.0) == []
    assert say(mine, anomaly("CRITICAL"), 2_001.0)


def test_it_ends_with_its_time_and_with_the_condition() -> None:
    mine = NotificationFilter(RuleSettings(), 20, "", 2 * HOUR_S)
    say(mine, event("link_down", "WARNING"), 0.0)
    mine.acknowledge("link", 2 * HOUR_S)
    assert due(mine, 3.5 * HOUR_S) == []
    assert len(due(mine, 4 * HOUR_S)) == 1, "nobody has repaired it"
    mine.acknowledge("link", 4 * HOUR_S)
    assert say(mine, event("link_up", "INFO"), 4.1 * HOUR_S)[0].startswith("Recovered")
    assert say(mine, event("link_down", "WARNING"), 5 * HOUR_S), "a new one is news"


def test_what_is_not_open_cannot_be_acknowledged() -> None:
    mine = gate()
    assert not mine.acknowledge("leak", 0.0)
    say(mine, event("link_down", "WARNING"), 0.0)
    say(mine, event("link_up", "INFO"), 1.0)
    assert not mine.acknowledge("link", 2.0)


def test_only_what_lasts_and_matters_offers_it() -> None:
    mine = gate(level="INFO")
    offered = {
        record.name: message.cause
        for record in (event("link_down", "WARNING"), event("watchdog", "WARNING", "board"), event("started", "INFO"))
        for notice in notices_of(record)
        for message in mine.apply(notice, 0.0)
    }
    assert offered == {"link_down": "link", "watchdog": "", "started": ""}


# -- quiet hours -----------------------------------------------------------------------------------


def test_quiet_hours_go_over_midnight_and_follow_the_clock_on_the_wall() -> None:
    night = QuietHours(time(22, 0), time(7, 0), VIENNA)
    assert [night.cover(datetime(2026, 6, 1, h, m, tzinfo=UTC)) for h, m in ((19, 59), (20, 0), (4, 59), (5, 0))] == [
        False, True, True, False,
    ]  # fmt: skip
    winter = datetime(2026, 1, 10, tzinfo=UTC)
    assert [night.cover(winter.replace(hour=h)) for h in (20, 21, 5, 6)] == [False, True, True, False]
    midday = QuietHours(time(12, 0), time(14, 0), VIENNA)
    assert [midday.cover(NOW.replace(hour=h)) for h in (9, 10, 11, 12)] == [False, True, True, False]


def quiet_say(mine: NotificationFilter, record: Any, now_s: float) -> list[str]:
    return [message.text for notice in notices_of(record) for message in mine.apply(notice, now_s, quiet=True)]


def test_what_can_wait_is_sent_when_the_night_is_over() -> None:
    mine = gate()
    assert quiet_say(mine, event("sensor_lost", "WARNING", "board", a=0), 0.0) == []
    assert due(mine, HOUR_S, quiet=True) == []
    told = due(mine, 2 * HOUR_S)
    assert len(told) == 1 and "held back 1 x" in told[0] and "again" not in told[0]
    assert due(mine, 2 * HOUR_S + 1.0) == []


def test_what_came_and_went_in_the_night_is_silence_and_a_recovery_waits() -> None:
    mine = gate()
    assert say(mine, event("sensor_lost", "WARNING", "board", a=0), 0.0)
    assert quiet_say(mine, event("sensor_back", "INFO", "board", a=0), 10.0) == []
    quiet_say(mine, event("weather_lost", "WARNING", "weather"), 20.0)
    quiet_say(mine, event("weather_back", "INFO", "weather"), 30.0)
    told = due(mine, HOUR_S)
    assert len(told) == 1 and told[0].startswith("Recovered: sensor_lost")


@pytest.mark.parametrize("kind", list(AnomalyType))
def test_nothing_critical_is_ever_held_back(kind: AnomalyType) -> None:
    told = quiet_say(gate(), anomaly("CRITICAL", type_=kind.value), 0.0)
    late = [] if told else due(gate(), 61.0, quiet=True)
    if kind is AnomalyType.BOARD_FAULT:  # the fault itself is the message; this one comes only when that does not
        mine = gate()
        quiet_say(mine, anomaly("CRITICAL", type_=kind.value), 0.0)
        late = due(mine, 61.0, quiet=True)
    assert told or late


HARMFUL = ("RESERVOIR_LOW", "WATER_NOT_ARRIVING", "SOIL_DRY", "AIR_TEMP_HIGH", "AIR_TEMP_LOW", "CO2_HIGH",
           "SOIL_TEMP_HIGH", "LEAK", "MCU_DISCONNECTED")  # fmt: skip


@pytest.mark.parametrize("kind", HARMFUL)
@pytest.mark.parametrize("severity", ["LOW", "MEDIUM", "HIGH"])
def test_what_harms_within_a_day_is_never_held_back(kind: str, severity: str) -> None:
    assert quiet_say(gate(), anomaly(severity, type_=kind), 0.0)


def test_forced_ventilation_passes_when_nothing_else_has_named_its_cause() -> None:
    mine = gate()
    assert quiet_say(mine, event("forced", "WARNING", "board", a=1), 0.0) == []
    assert len(due(mine, 61.0, quiet=True)) == 1


@pytest.mark.parametrize("name", ["fault", "estop"])
def test_alarms_of_the_board_and_of_the_disk_pass(name: str) -> None:
    assert quiet_say(gate(), event(name, "ALARM", "board", a=1), 0.0)
    assert quiet_say(gate(), event("records_waiting", "ALARM", "storage"), 0.0)
    assert quiet_say(gate(), event("safe_mode", "ALARM", "mode", entered="over_temperature", causes=""), 0.0)


def test_what_lasts_through_the_night_becomes_an_alarm_and_passes() -> None:
    mine = gate()
    assert quiet_say(mine, event("sensor_lost", "WARNING", "board", a=0), 0.0) == []
    assert due(mine, 11.9 * HOUR_S, quiet=True) == []
    assert len(due(mine, 12.0 * HOUR_S, quiet=True)) == 1


def test_the_page_lists_what_passes() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "notifications.md").read_text()
    rows = dict(re.findall(r"^\| (\w+) \| (?:INFO|WARNING|ALARM) \| [^|]+ \| (yes|no) \|$", page, re.M))
    assert rows == {
        cause.name: "yes" if cause.harms_within_a_day else "no" for cause in CAUSES if cause.name != "other"
    }


@pytest.mark.parametrize(
    "notify",
    [
        {"quiet_from": "22:00"},
        {"quiet_from": "22:00", "quiet_to": "22:00"},
        {"quiet_from": "25:00", "quiet_to": "07:00"},
        {"link": "ftp://tomato.local"},
        {"link": "https://ana:secret@tomato.local"},
        {"link": "https://tomato.local?x=1"},
        {"link": "tomato.local"},
    ],
)
def test_settings_that_cannot_work_are_refused(notify: dict[str, str]) -> None:
    from tomato_host.errors import TomatoError

    with pytest.raises(TomatoError) as caught:
        parse_settings({"notify": notify})
    assert "secret" not in str(caught.value)


# -- the link, through the real application --------------------------------------------------------


class AnsweringHost(threading.Thread):
    """A deciding loop's stand-in at the real inbox."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(daemon=True)
        self._inbox = Inbox(data_dir)
        self._over = threading.Event()
        self.asked: list[Request] = []

    def run(self) -> None:
        while not self._over.wait(0.005):
            for request in self._inbox.pop_requests():
                self.asked.append(request)
                self._inbox.reply(Reply(id=request.id, ok=True, text="Recorded."))

    def stop(self) -> None:
        self._over.set()
        self.join()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[AnsweringHost]:
    made = AnsweringHost(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[TestClient]:
    limits = ServiceSettings(reads_per_minute=100_000, writes_per_minute=100_000)
    app = create_app(LiveState(), History(tmp_path), limits, tmp_path)
    with TestClient(app, client=("10.1.2.3", 5_000)) as made:  # a phone, not this machine
        yield made


def issue(data_dir: Path, now: datetime | None = None) -> str:
    secret = AcknowledgeLinks(data_dir).issue("link", "The board <b>does not answer</b>", now or datetime.now(UTC))
    assert secret is not None and len(secret) >= 32
    return f"/ack/{secret}"


def test_a_preview_acknowledges_nothing_and_a_press_does_it_once(
    tmp_path: Path, web: TestClient, host: AnsweringHost
) -> None:
    link = issue(tmp_path)
    for _ in range(20):
        page = web.get(link, headers={"User-Agent": "WhatsApp/2"})
        assert page.status_code == 200 and 'method="post"' in page.text
        assert "&lt;b&gt;does not answer" in page.text, "what a message says is text, never markup"
        assert page.headers["cache-control"] == "no-store" and "noindex" in page.headers["x-robots-tag"]
        assert page.headers["referrer-policy"] == "no-referrer"
        assert web.head(link).status_code in (200, 405)
    assert host.asked == []
    assert web.post(link).status_code == 200
    assert [(one.kind, one.cause) for one in host.asked] == [("acknowledge_message", "link")]
    assert web.post(link).status_code == 410 and web.get(link).status_code == 410
    assert len(host.asked) == 1


def test_of_many_presses_at_once_one_counts(tmp_path: Path, web: TestClient, host: AnsweringHost) -> None:
    link = issue(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        answers = sorted(answer.status_code for answer in pool.map(lambda _: web.post(link), range(8)))
    assert answers == [200] + [410] * 7
    assert len(host.asked) == 1


def test_expired_and_unknown_links_do_nothing(tmp_path: Path, web: TestClient, host: AnsweringHost) -> None:
    old = issue(tmp_path, datetime.now(UTC) - LIFETIME - timedelta(seconds=1))
    assert (web.get(old).status_code, web.post(old).status_code) == (410, 410)
    for wrong in ("x" * 32, "x" * 10, "x" * 500, "..%2f..%2ftokens.json", "%00" * 20, "-" * 32):
        assert web.get(f"/ack/{wrong}").status_code in (404, 422)
        assert web.post(f"/ack/{wrong}").status_code in (404, 422)
    assert host.asked == []


def test_without_a_host_it_says_so_and_the_link_still_works(
    tmp_path: Path, web: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tomato_host.service.acknowledge_routes.PATIENCE_S", 0.2)
    link = issue(tmp_path)
    answer = web.post(link)
    assert answer.status_code == 503 and "still works" in answer.text
    host = AnsweringHost(tmp_path)
    host.start()
    try:
        assert web.post(link).status_code == 200
    finally:
        host.stop()


def test_the_link_opens_nothing_else(tmp_path: Path, web: TestClient, host: AnsweringHost) -> None:
    link = issue(tmp_path)
    secret = link.rpartition("/")[2]
    for path in ("/api/water", "/api/mode", "/ack/../api/mode", "/api/acknowledge"):
        for headers in ({}, {"Authorization": f"Bearer {secret}"}):
            assert web.post(path, json={"mode": "SAFE", "reason": "x"}, headers=headers).status_code in (401, 403, 404)
    assert host.asked == []


def test_the_disk_holds_no_secret_and_not_too_many_files(tmp_path: Path) -> None:
    secret = issue(tmp_path).rpartition("/")[2]
    for path in (tmp_path / "acknowledge").iterdir():
        assert secret not in path.name and secret not in path.read_text()
        assert path.stat().st_mode & 0o077 == 0
    links = AcknowledgeLinks(tmp_path)
    for n in range(MOST_LINKS + 20):
        assert links.issue("link", str(n), NOW)
    assert len(list((tmp_path / "acknowledge").iterdir())) <= MOST_LINKS + 1


def test_a_full_disk_does_not_cost_the_message(tmp_path: Path) -> None:
    (tmp_path / "acknowledge").write_text("in the way")
    assert AcknowledgeLinks(tmp_path).issue("link", "x", NOW) is None


def test_a_link_that_is_used_up_meanwhile_costs_no_other(tmp_path: Path) -> None:
    issue(tmp_path)
    (tmp_path / "acknowledge" / "gone.json").symlink_to(tmp_path / "renamed by the dashboard")
    assert AcknowledgeLinks(tmp_path).issue("leak", "x", NOW) is not None


def test_from_the_lost_board_to_the_acknowledged_message(tmp_path: Path) -> None:
    """Real host, real firmware, real dashboard process, real HTTP: the phone's link is what a person would press."""
    pytest.importorskip("apprise", reason="extra [notify] is not installed")
    phone = Endpoint()
    with server.start(seed=3, flash=tmp_path / "flash") as twin:
        line = PullableLink(twin.port_path, tmp_path)
        host = RunningHost(tmp_path, str(line.port))
        page = f"http://127.0.0.1:{host.port}"
        with host.config.open("a") as file:
            file.write(f'[notify]\nenabled = true\nlink = "{page}"\n')
        try:
            host.start(environment={"TOMATO_NOTIFY_URLS": f"json://127.0.0.1:{phone.port}/"})
            until(lambda: host.status()["link"] == "up", "the link")
            line.pull()
            text = until(lambda: next((str(m["message"]) for m in phone.got if "/ack/" in str(m["message"])), None))
            link = re.findall(rf"Acknowledge: ({page}/ack/[\w-]+)", text)[0]
            assert b'method="post"' in urlopen(link, timeout=10).read()
            assert "person_acknowledge_message" not in host.event_names()
            with urlopen(HttpRequest(link, method="POST"), timeout=10) as answer:
                assert answer.status == 200
            with pytest.raises(HTTPError) as again:
                urlopen(HttpRequest(link, method="POST"), timeout=10)
            assert again.value.code == 410
            recorded = [e for e in host.records("events") if e["name"] == "person_acknowledge_message"]
            assert len(recorded) == 1 and recorded[0]["data"]["cause"] == "link"
            host.stop()
            host.assert_whole()
        finally:
            host.end()
            line.close()
            phone.server.shutdown()
            phone.server.server_close()
