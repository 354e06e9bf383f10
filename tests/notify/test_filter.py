"""What becomes a message: once, not too often, worse at once, over when over, and never a wrong impression."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tomato_host.service.notify.filter import Notification, NotificationFilter
from tomato_host.service.notify.notice import Notice, notices_of
from tomato_host.service.notify.settings import NotifySettings, RuleSettings
from tomato_host.service.notify.urgency import CAUSE_BY_NAME, CAUSES, FAULT_NAMES

from shared_schemas.records import AnomalyV1, EventV1, Record

CHECK_CABLE = CAUSE_BY_NAME["link"].do
NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


def event(name: str, level: str, kind: str = "link", **data: int | str) -> EventV1:
    return EventV1.model_validate(
        {
            "schema_version": "event_v1",
            "ts": NOW,
            "level": level,
            "kind": kind,
            "name": name,
            "text": f"{name}.",
            "data": data,
        }
    )


def anomaly(
    severity: str, phase: str = "OPENED", subject: str | None = "P1", type_: str = "VPD_HIGH", **signals: float | str
) -> AnomalyV1:
    return AnomalyV1.model_validate(
        {
            "schema_version": "anomaly_v1",
            "ts": NOW,
            "severity": severity,
            "type": type_,
            "signals": signals,
            "phase": phase,
            "subject": subject,
        }
    )


def say(gate: NotificationFilter, record: EventV1 | AnomalyV1, now_s: float) -> list[str]:
    notices = notices_of(record)
    assert notices
    return [message.text for notice in notices for message in gate.apply(notice, now_s)]


def gate(most_per_hour: int = 20, **rule: object) -> NotificationFilter:
    return NotificationFilter(RuleSettings.model_validate(rule), most_per_hour)


def test_below_the_level_nothing_is_told() -> None:
    mine = gate(level="WARNING")
    assert say(mine, event("noise", "INFO"), 0.0) == []
    assert say(mine, event("link_down", "WARNING"), 0.0) == [f"link_down. {CHECK_CABLE}"]


def test_only_the_kinds_asked_for() -> None:
    mine = gate(kinds=["anomaly"])
    assert say(mine, event("link_down", "WARNING"), 0.0) == []
    assert say(mine, anomaly("HIGH"), 0.0) != []


def test_the_same_thing_again_waits_for_the_cool_down_and_says_so() -> None:
    mine = gate(cool_down_s=600.0)
    assert say(mine, event("watchdog", "WARNING", "board"), 0.0) == ["watchdog."]
    assert say(mine, event("watchdog", "WARNING", "board"), 1.0) == []
    assert say(mine, event("watchdog", "WARNING", "board"), 2.0) == []
    assert say(mine, event("watchdog", "WARNING", "board"), 600.0) == ["watchdog. (again; held back 2 x)"]


def test_something_worse_is_told_at_once() -> None:
    mine = gate()
    assert say(mine, anomaly("HIGH"), 0.0)
    assert say(mine, anomaly("CRITICAL"), 1.0)
    assert say(mine, anomaly("CRITICAL"), 2.0) == []


def test_recovered_is_told_once_and_only_of_what_was_told() -> None:
    mine = gate()
    assert say(mine, event("link_up", "INFO"), 0.0) == [], "the first connection is no recovery"
    assert say(mine, event("link_down", "WARNING"), 1.0)
    assert say(mine, event("link_up", "INFO"), 2.0) == ["Recovered: link_down. link_up."]
    assert say(mine, event("link_up", "INFO"), 3.0) == []
    quiet = gate(recovered=False)
    assert say(quiet, event("link_down", "WARNING"), 1.0)
    assert say(quiet, event("link_up", "INFO"), 2.0) == []


def test_what_fell_into_the_cool_down_and_lasts_is_told_when_it_ends() -> None:
    mine = gate(cool_down_s=600.0)
    say(mine, event("link_down", "WARNING"), 0.0)
    say(mine, event("link_up", "INFO"), 10.0)
    assert say(mine, event("link_down", "WARNING"), 20.0) == []
    assert mine.due(300.0) == []
    assert [m.text for m in mine.due(601.0)] == [f"link_down. (again; held back 1 x). {CHECK_CABLE}"]
    assert mine.due(602.0) == []


def test_what_came_and_went_inside_the_cool_down_is_silence() -> None:
    mine = gate(cool_down_s=600.0)
    say(mine, event("link_down", "WARNING"), 0.0)
    say(mine, event("link_up", "INFO"), 10.0)
    say(mine, event("link_down", "WARNING"), 20.0)
    assert say(mine, event("link_up", "INFO"), 30.0) == []
    assert mine.due(601.0) == []


def test_a_flood_is_bounded_but_alarms_pass() -> None:
    mine = gate(most_per_hour=3)
    told = [say(mine, event("fault", "WARNING", "board", a=n), float(n)) for n in range(20, 30)]
    assert sum(map(len, told)) == 3
    assert say(mine, event("fault", "ALARM", "board", a=31), 31.0)
    assert len(mine.due(3_700.0)) == 3, "what lasts is told in the next hour, bounded again"


def test_faults_are_told_apart_by_number() -> None:
    mine = gate()
    assert say(mine, event("fault", "ALARM", "board", a=1), 0.0)
    assert say(mine, event("fault", "ALARM", "board", a=2), 0.0)
    assert say(mine, event("fault_cleared", "INFO", "board", a=1), 1.0) == ["Recovered: fault. fault_cleared."]


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        ("LOW", "INFO"),
        ("MEDIUM", "INFO"),
        ("HIGH", "WARNING"),
        ("CRITICAL", "ALARM"),
    ],
)
def test_severity_becomes_a_level(severity: str, level: str) -> None:
    (notice,) = notices_of(anomaly(severity, type_="RH_HIGH"))
    assert notice.level == level
    assert not notice.ends


def test_messages_about_messages_are_never_told() -> None:
    assert notices_of(event("notify_failed", "WARNING", "notification")) == ()


def test_emergency_stop_ends_with_its_release() -> None:
    mine = gate()
    assert say(mine, event("estop", "ALARM", "board", a=1), 0.0)[0].startswith("estop. Release the stop")
    assert say(mine, event("estop", "INFO", "board", a=0), 5.0) == ["Recovered: estop."]


def test_memory_stays_bounded() -> None:
    mine = gate(most_per_hour=1)
    for n in range(2_000):
        mine.apply(Notice(f"k{n}", "WARNING", "board", "x"), float(n))
    assert len(mine._tracked) <= 501


# -- what harms the plant within a day, with the default and with what docs/notifications.md prints ----------------

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")
PRINTED = NotifySettings.model_validate(tomllib.loads(PAGE.split("```toml")[1].split("```")[0])["notify"])


def phone(settings: NotifySettings, story: Sequence[tuple[float, Record]], until_s: float) -> list[Notification]:
    """All that the first address of every rule receives; time passes in steps of a minute."""
    rules = [NotificationFilter(rule, settings.most_per_hour, "tent_1") for rule in settings.rules[:1]]
    out: list[Notification] = []
    waiting, now_s = list(story), 0.0
    while now_s <= until_s:
        while waiting and waiting[0][0] <= now_s:
            at_s, record = waiting.pop(0)
            out += [m for rule in rules for notice in notices_of(record) for m in rule.apply(notice, at_s)]
        out += [m for rule in rules for m in rule.due(now_s)]
        now_s += 60.0
    return out


@pytest.mark.parametrize("settings", [NotifySettings(), PRINTED], ids=["default", "printed"])
@pytest.mark.parametrize(
    "record",
    [
        anomaly("MEDIUM", subject=None, type_="RESERVOIR_LOW", reservoir_empty=1.0),
        anomaly("MEDIUM", subject=None, type_="SOIL_DRY", soil_avg_pct=19.0, threshold=20.0),
        anomaly("HIGH", subject=None, type_="WATER_NOT_ARRIVING", unanswered_ml=120.0, threshold=99.0),
        anomaly("MEDIUM", subject=None, type_="AIR_TEMP_HIGH", air_temp_c=33.0, threshold=32.0),
        anomaly("MEDIUM", subject=None, type_="AIR_TEMP_LOW", air_temp_c=12.0, threshold=13.0),
        event("link_down", "WARNING"),
    ],
    ids=lambda record: getattr(record, "name", None) or record.type.value,
)
def test_what_harms_within_a_day_rings_at_once_and_becomes_an_alarm(
    settings: NotifySettings, record: EventV1 | AnomalyV1
) -> None:
    messages = phone(settings, [(0.0, record)], 24 * 3_600.0)
    assert [m.level for m in messages][:2] == ["WARNING", "ALARM"]
    assert all("tent_1" in m.title for m in messages)
    assert all(any(cause.do and cause.do in m.text for cause in CAUSES) for m in messages), "says what to do"
    assert "h now" in messages[1].text
    assert len(messages) <= 4, "a reminder twice a day, no flood"


def test_an_empty_reservoir_of_63_hours_is_not_forgotten() -> None:
    story = [(0.0, anomaly("MEDIUM", subject=None, type_="RESERVOIR_LOW", reservoir_empty=1.0))]
    story += [(40 * 3_600.0, anomaly("HIGH", subject="soil.P1", type_="SOIL_DRY", soil_probe_pct=11.8, threshold=12.0))]
    messages = phone(PRINTED, story, 63 * 3_600.0)
    about_water = [m for m in messages if "reservoir" in m.text.lower()]
    assert [m.level for m in about_water[:2]] == ["WARNING", "ALARM"] and len(about_water) >= 5
    dry = [m for m in messages if m.text.startswith("Soil dry (soil.P1): soil probe 11.8 %, limit 12 %")]
    assert dry and dry[0].level == "ALARM"


def leak_story() -> list[tuple[float, EventV1 | AnomalyV1]]:
    mode = {"causes": "leak, board_fault", "entered": "leak"}
    return [
        (0.0, anomaly("CRITICAL", subject=None, type_="LEAK", leak=1.0)),
        (0.0, anomaly("HIGH", subject=None, type_="BOARD_FAULT", board_faults=1.0)),
        (0.0, event("mode_safe", "ALARM", "mode", **mode)),
        (1.0, event("fault", "ALARM", "board", a=0)),
        (2.0, event("mode_safe", "ALARM", "mode", causes="leak, board_fault", entered="board_fault")),
        (2.0, event("state", "WARNING", "board", a=3, b=5).model_copy(update={"text": "Board went to FAULT."})),
    ]


@pytest.mark.parametrize("order", range(6))
def test_one_leak_is_one_message_in_whatever_order_it_is_reported(order: int) -> None:
    records = [record for _, record in leak_story()]
    turned = records[order:] + records[:order]
    messages = phone(NotifySettings(), [(float(n), record) for n, record in enumerate(turned)], 3_600.0)
    assert [m.level for m in messages] == ["ALARM"], [m.text for m in messages]
    assert "Dry the floor" in messages[0].text


def test_recovered_comes_when_the_last_of_a_cause_has_ended() -> None:
    story = [
        *leak_story(),
        (600.0, anomaly("CRITICAL", "CLEARED", None, "LEAK", leak=0.0)),
        (900.0, event("fault_cleared", "INFO", "board", a=0)),
        (900.0, anomaly("HIGH", "CLEARED", None, "BOARD_FAULT", board_faults=0.0)),
        (1_200.0, event("mode_caution", "INFO", "mode", causes="", entered="")),
    ]
    for until_s, expected in ((1_100.0, 0), (2_000.0, 1)):
        messages = phone(NotifySettings(), [entry for entry in story if entry[0] <= until_s], until_s)
        assert sum(m.text.startswith("Recovered") for m in messages) == expected


def test_a_fault_latched_before_the_host_began_is_reported_after_a_minute() -> None:
    story = [(0.0, anomaly("HIGH", subject=None, type_="BOARD_FAULT", board_faults=1.0))]
    assert [m.level for m in phone(NotifySettings(), story, 300.0)] == ["WARNING"]


def test_two_lost_readings_of_one_part_are_one_message() -> None:
    story = [
        (0.0, event("sensor_lost", "WARNING", "board", a=0)),
        (1.0, anomaly("HIGH", subject="air_temp_c", type_="SENSOR_DISCONNECT", fault="disconnect")),
        (1.0, anomaly("HIGH", subject="rh_pct", type_="SENSOR_DISCONNECT", fault="disconnect")),
    ]
    assert len(phone(NotifySettings(), story, 600.0)) == 1


def test_safe_mode_by_hand_is_no_alarm() -> None:
    story = [(0.0, event("mode_safe", "ALARM", "mode", causes="person", entered="person"))]
    assert phone(NotifySettings(), story, 3_600.0) == []


def test_the_page_prints_the_table_of_causes() -> None:
    for cause in CAUSES:
        if cause.name not in ("other",):
            after = f"{cause.alarm_after_h:g} h" if cause.alarm_after_h else "-"
            assert f"| {cause.name} | {cause.at_least} | {after} |" in PAGE, cause.name


# -- what 14 simulated days showed when they were read as a grower reads them ----------------------------------------


def test_water_that_a_told_fault_blocks_is_no_second_message_until_the_soil_is_dry() -> None:
    leak = event("fault", "ALARM", "board", a=FAULT_NAMES.index("leak"))
    blocked = anomaly("HIGH", subject=None, type_="WATER_BLOCKED", faults="leak", driest_probe_pct=28.9)
    dry = anomaly("CRITICAL", subject=None, type_="WATER_BLOCKED", faults="leak", driest_probe_pct=21.9)
    story: list[tuple[float, Record]] = [(0.0, leak), (4.0, blocked), (7_200.0, blocked), (14_400.0, blocked)]
    assert [m.level for m in phone(NotifySettings(), story, 18_000.0)] == ["ALARM"]
    told = phone(NotifySettings(), [*story, (15_000.0, dry)], 18_000.0)
    assert [m.level for m in told] == ["ALARM", "ALARM"] and "21.9" in told[1].text
    alone = phone(NotifySettings(), [(0.0, blocked)], 600.0)
    assert [m.level for m in alone] == ["WARNING"], "a fault that nobody was told of"


def test_what_is_over_is_not_repeated_in_its_words() -> None:
    mine = gate(cool_down_s=60.0)
    reversed_, drift = ({"fault": fault} for fault in ("REVERSED", "DRIFT"))
    say(mine, anomaly("HIGH", subject="soil.P1", type_="SENSOR_FAULT", **reversed_), 0.0)
    say(mine, anomaly("MEDIUM", subject="soil.P1", type_="SENSOR_FAULT", **drift), 10.0)
    say(mine, anomaly("HIGH", phase="CLEARED", subject="soil.P1", type_="SENSOR_FAULT", **reversed_), 20.0)
    later = [m for hour in range(1, 72) for m in mine.due(hour * 3_600.0)]
    assert not [m for m in later if "REVERSED" in m.text]


def test_two_probes_that_drift_apart_ring_no_alarm_at_night() -> None:
    drift = anomaly("MEDIUM", subject="soil.P2", type_="SENSOR_FAULT", fault="DRIFT")
    assert phone(NotifySettings(), [(0.0, drift)], 72 * 3_600.0) == []
    stuck = anomaly("MEDIUM", subject="soil.P2", type_="SENSOR_FAULT", fault="STUCK")
    assert [m.level for m in phone(NotifySettings(), [(0.0, stuck)], 13 * 3_600.0)] == ["ALARM"]


def test_recovered_says_the_name_once_and_the_reading_of_now() -> None:
    mine = gate()
    say(mine, anomaly("HIGH", subject=None, vpd_kpa=2.507, threshold=2.5), 0.0)
    assert say(mine, anomaly("HIGH", phase="CLEARED", subject=None, vpd_kpa=1.021), 9.0) == [
        "Recovered: Vpd high: vpd 2.507 kPa, limit 2.5 kPa; now vpd 1.021 kPa"
    ]


def test_survival_that_the_board_reports_afterwards_belongs_to_the_link_that_was_down() -> None:
    survival = event("state", "WARNING", "board", a=2, b=4)
    down, up = event("link_down", "WARNING"), event("link_up", "INFO")
    told = phone(NotifySettings(), [(0.0, down), (3_600.0, up), (3_660.0, survival)], 7_200.0)
    assert [m.level for m in told] == ["WARNING", "INFO"]
    assert [m.level for m in phone(NotifySettings(), [(0.0, survival)], 600.0)] == ["WARNING"]


def test_a_board_that_was_reset_and_is_back_at_once_rings_nobody() -> None:
    down = event("link_down", "WARNING", reset=True)
    assert phone(NotifySettings(), [(0.0, down), (0.5, event("link_up", "INFO"))], 600.0) == []
    assert [m.level for m in phone(NotifySettings(), [(0.0, down)], 600.0)] == ["WARNING"]


def test_a_next_step_is_said_once() -> None:
    safe = event("mode_safe", "ALARM", "mode", causes="link_down", entered="link_down")
    safe = safe.model_copy(update={"text": "SAFE: The board does not answer. Next: check cable and power."})
    (told,) = phone(NotifySettings(), [(0.0, safe)], 120.0)
    assert told.text.lower().count("check cable and power") == 1


# -- what the drills of the runbook showed ---------------------------------------------------------------------------


def test_recovered_speaks_of_what_was_sent_and_asks_for_nothing() -> None:
    safe = event("mode_safe", "ALARM", "mode", causes="leak", entered="leak")
    safe = safe.model_copy(update={"text": "SAFE: The leak sensor is wet. Next: dry it, press the board's button."})
    story: list[tuple[float, Record]] = [
        (0.0, anomaly("CRITICAL", subject=None, type_="LEAK", leak=1.0)),
        (0.0, safe),
        (600.0, anomaly("CRITICAL", "CLEARED", None, "LEAK", leak=0.0)),
        (900.0, event("mode_caution", "INFO", "mode", causes="", entered="")),
    ]
    assert [m.text for m in phone(NotifySettings(), story, 1_200.0)][1:] == ["Recovered: Leak"]
    lost = anomaly("HIGH", subject="rh_pct", type_="SENSOR_DISCONNECT", fault="DISCONNECT", reason="timeout")
    back = anomaly("HIGH", "CLEARED", "rh_pct", "SENSOR_DISCONNECT", fault="DISCONNECT")
    told = phone(NotifySettings(), [(0.0, lost), (600.0, back)], 1_200.0)
    assert told[1].text == "Recovered: Sensor disconnect (rh_pct): fault DISCONNECT; reason timeout"


def test_survival_belongs_to_a_link_whose_safe_mode_ended_last() -> None:
    story: list[tuple[float, Record]] = [
        (0.0, event("link_down", "WARNING")),
        (60.0, event("mode_safe", "ALARM", "mode", causes="link_down", entered="link_down")),
        (900.0, event("link_up", "INFO")),
        (901.0, event("mode_caution", "INFO", "mode", causes="", entered="")),
        (902.0, event("state", "WARNING", "board", a=2, b=4)),
    ]
    assert [m.level for m in phone(NotifySettings(), story, 2_000.0)] == ["WARNING", "INFO"], "no ALARM within hours"


def test_forced_ventilation_is_what_is_done_about_a_fault_that_has_a_message() -> None:
    forced = event("forced", "WARNING", "board", a=1)
    co2 = event("fault", "ALARM", "board", a=FAULT_NAMES.index("co2_high"))
    assert [m.level for m in phone(NotifySettings(), [(0.0, forced), (15.0, co2)], 600.0)] == ["ALARM"]
    alone = phone(NotifySettings(), [(0.0, forced)], 600.0)
    assert [m.level for m in alone] == ["WARNING"] and "shade" not in alone[0].text, "gas, perhaps"


@pytest.mark.parametrize(("name", "fault"), [("counters", "counters_lost"), ("config_dropped", "config_bounds")])
def test_an_event_that_says_more_of_a_fault_is_no_second_message(name: str, fault: str) -> None:
    more, latched = event(name, "WARNING", "board", a=2), event("fault", "WARNING", "board", a=FAULT_NAMES.index(fault))
    for story in ([(0.0, more), (0.1, latched)], [(0.0, latched), (0.1, more)]):
        assert len(phone(NotifySettings(), story, 600.0)) == 1
    assert len(phone(NotifySettings(), [(0.0, more)], 600.0)) == 1


def test_what_ended_is_recovered_though_a_doubt_about_the_same_part_remains() -> None:
    fault = {"subject": "soil.P1", "type_": "SENSOR_FAULT"}
    reversed_ = anomaly("HIGH", fault="REVERSED", **fault).model_copy(update={"detail": "It rises. Check: the plugs."})
    story: list[tuple[float, Record]] = [
        (0.0, reversed_),
        (600.0, anomaly("MEDIUM", fault="DRIFT", **fault)),
        (1_200.0, anomaly("HIGH", "CLEARED", fault="REVERSED", **fault)),
        (9_000.0, anomaly("MEDIUM", "CLEARED", fault="DRIFT", **fault)),
    ]
    told = [(m.level, m.text) for m in phone(NotifySettings(), story[:3], 72 * 3_600.0)]
    assert told[0][0] == "WARNING" and told[1:] == [("INFO", "Recovered: Sensor fault (soil.P1)")], (
        "and asks for nothing"
    )
    assert len(phone(NotifySettings(), story, 72 * 3_600.0)) == 2


def test_a_dose_that_a_leak_cut_short_is_no_second_alarm_and_one_without_a_fault_rings_at_once() -> None:
    leak = event("fault", "ALARM", "board", a=FAULT_NAMES.index("leak"))
    dose = anomaly("HIGH", subject=None, type_="WATER_NOT_ARRIVING", unanswered_ml=100.0, threshold=99.0)
    over = anomaly("HIGH", "CLEARED", None, "WATER_NOT_ARRIVING", unanswered_ml=0.0)
    cleared = event("fault_cleared", "INFO", "board", a=FAULT_NAMES.index("leak"))
    story: list[tuple[float, Record]] = [(0.0, leak), (2_760.0, dose), (21_600.0, cleared), (22_000.0, over)]
    assert [m.level for m in phone(NotifySettings(), story, 30_000.0)] == ["ALARM", "INFO"]
    lasting = phone(NotifySettings(), story[:3], 40_000.0)
    assert [m.text.split(":")[0] for m in lasting][-1] == "Water not arriving", "it lasts though the leak is over"
    assert len(phone(NotifySettings(), [(0.0, dose)], 1.0)) == 1
