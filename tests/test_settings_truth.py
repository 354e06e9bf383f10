"""Settings that contradict each other or are no settings at all: one line, exit 2, both keys, and never a traceback."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from tomato_host.addresses import why_not_bound
from tomato_host.app import check_addresses
from tomato_host.brain.world_model.data import tent_quantities
from tomato_host.cli.main import main
from tomato_host.errors import TomatoError
from tomato_host.importing.mapping import load_mapping
from tomato_host.settings import MOVED_TABLES, Settings, parse_recorded_settings, parse_settings
from tomato_host.settings_relations import FORECAST, FREE, RELATIONS, STAGE, Relation, value_of
from tomato_host.sources.scenarios import Scenario

NUMBERS = frozenset({"number", "integer"})


def inner(annotation: Any) -> type[BaseModel] | None:
    """The model of a nested table, or of the rows of an array of tables."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := inner(part))), None)


def numeric_keys(model: type[BaseModel], table: str = "") -> Iterator[str]:
    """`table.key` of every key that holds a number."""
    schema = model.model_json_schema()["properties"]
    for key, field in model.model_fields.items():
        nested = inner(field.annotation)
        if nested is not None:
            yield from numeric_keys(nested, f"{table}{key}.")
            continue
        kinds = {schema[key].get("type"), *(option.get("type") for option in schema[key].get("anyOf", ()))}
        if kinds & NUMBERS:
            yield f"{table}{key}"


def sides() -> set[str]:
    return {name for row in RELATIONS for name in (row.low, row.high) if not name.startswith(STAGE)}


def test_every_numeric_key_takes_part_in_a_relation_or_is_listed_as_free() -> None:
    keys, free = list(numeric_keys(Settings)), [key for group in FREE.values() for key in group]
    assert len(keys) > 90
    assert sorted({*sides(), *free}) == sorted(keys), "put the new key into RELATIONS or FREE of settings_relations.py"
    assert len(free) == len(set(free)) and not sides() & set(free)


@pytest.mark.parametrize("ending", ["_back_c", "confidence_back", "_low_kpa", "_high_kpa", "_first_s", "_most_s"])
def test_every_key_that_is_half_of_a_pair_stands_in_a_relation(ending: str) -> None:
    halves = [key for key in numeric_keys(Settings) if key.endswith(ending) and not key.startswith("guardrails")]
    assert halves and set(halves) <= sides()


def bounds_of(name: str) -> tuple[float, float]:
    """The range of a key, as wide as its type goes where it has none."""
    *tables, key = name.split(".")
    model: type[BaseModel] = Settings
    for table in tables:
        model = inner(model.model_fields[table].annotation)  # type: ignore[assignment]
    found: dict[str, float] = {}
    for rule in model.model_fields[key].metadata:
        found |= {end: getattr(rule, end) for end in ("ge", "gt", "le", "lt") if hasattr(rule, end)}
    low = found.get("ge", found.get("gt", 0.0) + 1.0)
    return float(low), float(found.get("le", found.get("lt", 1e9) - 1.0))


WHEN = {"storage.max_bytes": {"rotate": "size"}, "control.planning_ms": {"policy": "mpc"}}
"""What else a file must set for a relation to apply."""


def violate(row: Relation) -> dict[str, dict[str, Any]] | None:
    """Settings that break this relation inside the ranges of both keys; None where the ranges forbid it."""
    low = value_of(Settings(), row.low) if row.low.startswith(STAGE) else bounds_of(row.low)[1]
    high = value_of(Settings(), row.high) if row.high.startswith(STAGE) else bounds_of(row.high)[0]
    if low * row.factor < high or (row.order == "<=" and low * row.factor == high):
        return None
    raw: dict[str, dict[str, Any]] = {}
    for name, value in ((row.low, low), (row.high, high)):
        if not name.startswith(STAGE):
            *tables, key = name.split(".")
            inside: dict[str, Any] = raw
            for table in tables:
                inside = inside.setdefault(table, {})
            inside.update({key: value, **WHEN.get(name, {})})
    return raw


@pytest.mark.parametrize("row", RELATIONS, ids=lambda row: f"{row.low} {row.order} {row.high}")
def test_a_violated_relation_names_both_keys(row: Relation) -> None:
    raw = violate(row)
    if raw is None:
        low, high = bounds_of(row.low)[1], value_of(Settings(), row.high)
        assert low * row.factor <= high, "the ranges alone keep this order"
        return
    problems = [text for text in all_contradictions(raw) if all(named(name) in text for name in (row.low, row.high))]
    assert len(problems) == 1 and row.why in problems[0] and "\n" not in problems[0]
    with pytest.raises(TomatoError, match="contradict each other") as raised:
        parse_settings(raw)
    assert raised.value.code == "E-CONFIG-INVALID"
    parse_recorded_settings(raw, "metadata.json")  # what was recorded must still replay


def named(name: str) -> str:
    return "[control] stage" if name.startswith(STAGE) else "[{}] {}".format(*name.rsplit(".", 1))


def all_contradictions(raw: dict[str, Any]) -> list[str]:
    from tomato_host.settings_relations import contradictions

    return list(contradictions(parse_recorded_settings(raw, "x")))


def test_the_defaults_of_every_stage_contradict_nothing() -> None:
    for stage in ("seedling", "vegetative", "flowering", "fruiting"):
        assert parse_settings({"control": {"stage": stage}}).control.stage == stage


def test_a_default_is_called_a_default() -> None:
    with pytest.raises(TomatoError) as raised:
        parse_settings({"safe_mode": {"air_hot_c": 31.0}})
    text = str(raised.value)
    assert "[safe_mode] air_hot_back_c = 32 (default)" in text and "[safe_mode] air_hot_c = 31 and" not in text
    assert "[safe_mode] air_hot_c = 31 contradict" in text and "below 31" in text


def test_durable_records_are_not_gathered() -> None:
    with pytest.raises(TomatoError, match=r"\[storage\] fsync = 'always' and \[storage\] flush_every"):
        parse_settings({"storage": {"fsync": "always", "flush_every": 5}})


def test_a_faster_board_is_expected_to_be_faster() -> None:
    assert parse_settings({"board": {"telemetry_period_s": 2.0}}).estimator.sample_period_s == 2.0
    assert parse_settings({"board": {"telemetry_period_s": 60.0}}).estimator.sample_period_s == 10.0
    with pytest.raises(TomatoError, match=r"\[estimator\] sample_period_s = 10 and \[board\] telemetry_period_s = 2"):
        parse_settings({"board": {"telemetry_period_s": 2.0}, "estimator": {"sample_period_s": 10.0}})


def test_a_table_of_0_1_is_accepted_and_named() -> None:
    assert MOVED_TABLES == (("agent", "advisor"),)
    old = {"threads": 3, "stale": {"debounce": 5}, "cameras": [{"kind": "folder", "path": "/photos"}]}
    settings = parse_settings({"agent": old})
    assert settings == parse_settings({"advisor": old}) and settings.advisor.cameras[0].path == Path("/photos")
    with pytest.raises(TomatoError) as raised:
        parse_settings({"agent": {"threads": 3}, "advisor": {"threads": 4}})
    assert "[advisor] threads = 4" in str(raised.value) and "[agent] threads = 3" in str(raised.value)
    with pytest.raises(TomatoError, match=r"agent\.threads = 0"):
        parse_settings({"agent": {"threads": 0}})  # by the name that the file has


def test_a_whole_number_may_have_a_point() -> None:
    """Files of 0.1 were read that way."""
    assert parse_settings({"control": {"cycle_s": 3600.0}}).control.cycle_s == 3600


# -- 200 malformed files -----------------------------------------------------------------------------------------


def a_value(key: str, value: str) -> str:
    """A file that gives a key of some table this value, written in TOML."""
    table, name = key.rsplit(".", 1)
    return f"[{table}]\n{name} = {value}\n"


PLAIN_NUMBERS = tuple(key for key in numeric_keys(Settings) if key.count(".") == 1)
ADDRESSES = ("service.host", "mqtt.host", "weather.geosphere_url", "weather.open_meteo_url", "advisor.endpoint_url")
ODD_ADDRESSES = ('"10.0.0.1\\u0007"', '"a\\nb"', '"host name"', '"10.0.0.999"', '"-bad-"', '""', '"a..b"', '"\\u200bx"')
ZONES = ("Europe/Wien", "Europe", "", "../etc/passwd", "europe/vienna ", "CEST2", "zone.tab", "A" * 3_000, "Etc/", "/")


def malformed() -> Iterator[tuple[str, str]]:
    """Name and text of each file."""
    for key in PLAIN_NUMBERS:
        yield f"{key} is true", a_value(key, "true")
    for key in PLAIN_NUMBERS[:40]:
        yield f"{key} is text", a_value(key, '"12"')
    for key in ADDRESSES:
        for value in ODD_ADDRESSES:
            yield f"{key} is {value}", a_value(key, value)
    for zone in ZONES:
        yield f"time zone {zone[:20]}", a_value("site.timezone", f'"{zone}"')
    for value in (
        "9" * 5_000,
        "-" + "9" * 5_000,
        "0x" + "f" * 5_000,
        "1e400",
        "nan",
        "-inf",
        "2026-02-14",
        "[1]",
        "{}",
    ):
        yield f"a number is {value[:12]}", a_value("control.cycle_s", value)
    for opening, closing in (("[", "]"), ("{a=", "}")):
        yield f"nested {opening}", f"[control]\ncycle_s = {opening * 10_000}1{closing * 10_000}\n"
        yield f"nested {opening} without an end", f"[control]\ncycle_s = {opening * 10_000}\n"
    yield "nested keys", a_value("control.cycle_s", "1").replace("cycle_s", ".".join("a" * 10_000))
    yield "nested tables", f"[{'.'.join('a' * 10_000)}]\n"
    yield "a key with a line break", '[site]\n"time\\nzone" = 1\n'
    yield "a table with an escape", '["si\\u001bte"]\nx = 1\n'
    yield "a table that is a number", "site = 5\n"
    yield "a table that is an array", "[[site]]\ntimezone = 'UTC'\n"
    yield "a table of 0.1 that is text", 'agent = "none"\n'
    yield "an unknown table", "[plants]\ncount = 2\n"
    yield "an unknown key", "[site]\nlattitude_deg = 1\n"
    yield "a key twice", "[site]\nlatitude_deg = 1\nlatitude_deg = 2\n"
    yield "no TOML", "this is no TOML\n"
    yield "an open string", "[site]\ntimezone = 'UTC\n"
    yield "a NUL", "[site]\ntimezone = '\0'\n"
    yield "a bus address with a password", a_value("bus.url", '"redis://me:secret@host"')
    yield "a bus address with a control character", a_value("bus.url", '"redis://ho\\tst"')
    yield "a probe twice", "[estimator]\nprobes = [{id='P1', zone='1'}, {id='P1', zone='2'}]\n"
    yield "a rule without sense", "[[notify.rules]]\nlevel = 'LOUD'\n"
    yield "a camera without a kind", "[[advisor.cameras]]\nname = 'x'\n"
    yield "a camera with an odd address", "[[advisor.cameras]]\nkind = 'http'\nurl = 'file:///etc/passwd'\n"


MALFORMED = dict(malformed())


def run_with(config: Path, folder: Path) -> tuple[int, str]:
    """Exit code and standard error of `tomato-host run` with this file."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), pytest.raises(SystemExit) as ended:
        main(["run", "--config", str(config), "--data-dir", str(folder / "data"), "--duration-hours", "0.01"])
    return int(ended.value.code or 0), errors.getvalue()


def test_there_are_200_malformed_files() -> None:
    assert len(MALFORMED) >= 200


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_ends_in_one_line_and_exit_code_2(name: str, tmp_path: Path) -> None:
    config = tmp_path / "tomato.toml"
    config.write_text(MALFORMED[name], encoding="utf-8")
    code, errors = run_with(config, tmp_path)
    assert code == 2 and errors.count("\n") == 1 and errors.endswith("\n") and len(errors) < 700
    assert errors[:-1].isprintable() and "Traceback" not in errors
    assert errors.startswith(("tomato-host: E-CONFIG-INVALID: ", "tomato-host: E-CONFIG-SYNTAX: "))
    assert str(config) in errors and " Next: " in errors
    assert "secret" not in errors
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (a_value("safe_mode.air_hot_c", "true"), ("safe_mode.air_hot_c = true", "at least 28", "at most 38")),
        (a_value("control.cycle_s", "9" * 5_000), ("control.cycle_s = 999", "(5000 characters)", "64 bits")),
        (a_value("control.cycle_s", "[" * 10_000 + "]" * 10_000), ("line 2, 10000 brackets deep", "at most 8 deep")),
        (a_value("service.host", '"10.0.0.1\\u0007"'), ("service.host = '10.0.0.1\\x07'", "control character")),
        (a_value("site.timezone", '"Europe/Wien"'), ("site.timezone = 'Europe/Wien'", "example is 'Europe/Vienna'")),
        (a_value("service.host", '"10.0.0.999"'), ("service.host = '10.0.0.999'", "not an IP address or a host name")),
        (a_value("service.host", '"224.0.0.1"'), ("service.host = '224.0.0.1'", "a server cannot listen on it")),
    ],
)
def test_the_line_names_key_value_and_what_is_allowed(text: str, parts: tuple[str, ...], tmp_path: Path) -> None:
    config = tmp_path / "tomato.toml"
    config.write_text(text)
    _, errors = run_with(config, tmp_path)
    assert "E-CONFIG-INVALID" in errors and all(part in errors for part in parts), errors


def test_a_file_without_an_end_is_not_read_for_ever(tmp_path: Path) -> None:
    code, errors = run_with(Path("/dev/zero"), tmp_path)
    assert code == 2 and "E-CONFIG-UNREADABLE" in errors and "larger than" in errors


def test_an_address_of_another_machine_is_refused_by_hand_and_tried_again_under_systemd() -> None:
    settings = parse_settings({"service": {"host": "203.0.113.7"}})  # a documentation address: never this machine's
    assert why_not_bound("203.0.113.7") and not why_not_bound("127.0.0.1")
    with pytest.raises(TomatoError, match=r"service\.host = '203\.0\.113\.7': this machine cannot listen") as raised:
        check_addresses(settings, None, {})
    assert raised.value.code == "E-CONFIG-INVALID"
    check_addresses(settings, None, {"NOTIFY_SOCKET": "/run/systemd/notify"})


HOSTILE: list[Callable[[int], str]] = [lambda n: "x = " + "[" * n + "]" * n + "\n", lambda n: f"x = {'9' * n}\n"]


@pytest.mark.parametrize("text", [make(10_000) for make in HOSTILE], ids=["nested", "digits"])
def test_mappings_and_scenarios_refuse_the_same_files(text: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(TomatoError, match="E-MAPPING-FILE"):
        load_mapping(path, "Europe/Vienna")
    with pytest.raises(TomatoError, match="E-TWIN-SCENARIO"):
        Scenario.parse(str(path))


# -- facts that cannot both hold ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ({"control": {"stages": {"vegetative": {"temp_night_c": [18.0, 33.0]}}}}, ("temp_night_c (33)", "heat_c = 32")),
        ({"control": {"stages": {"vegetative": {"temp_day_c": [6.0, 26.0]}}}}, ("temp_day_c (6)", "cold_c = 12")),
        ({"control": {"stages": {"vegetative": {"vpd_night_kpa": [0.4, 1.7]}}}}, ("vpd_night_kpa (1.7)", "1.6")),
        ({"control": {"stages": {"vegetative": {"photoperiod_h": 17.0}}}, "budgets": {"light_s_per_day": 57_600}},
         ("photoperiod_h (17)", "light_s_per_day = 57600", "at most 16")),
        ({"control": {"policy": "mpc", "planning_ms": 2_000}, "guardrails": {"proposal_age_s": 2}},
         ("planning_ms = 2000", "proposal_age_s = 2")),
        ({"estimator": {"probes": [{"id": "P1", "zone": "1"}]}, "tent": {"plants": [{"name": "A", "probe": 2}]}},
         ("[[tent.plants]] probe = 2", "[estimator] probes")),
        ({"mqtt": {"node": "t1", "sensors": [{"id": "x", "quantity": "rh_pct", "topic": "tomato/t1/rh"}]}},
         ("[[mqtt.sensors]] topic = 'tomato/t1/rh'", "[mqtt] node = 't1'")),
        ({"learn": {"bus": {"state_stream": "a", "update_stream": "a"}}}, ("state_stream", "update_stream", "'a'")),
        ({"learn": {"quantities": "vpd_kpa, soil.P9"}}, ("[learn] quantities", "'soil.P9'", "soil.P1, soil.P2")),
        ({"learn": {"quantities": ""}}, ("[learn] quantities = ''", "vpd_kpa")),
        ({"notify": {"link": "https://tomato.local"}}, ("[notify] link", "[service] hosts", "'tomato.local'")),
        ({"service": {"tls_key": "/etc/key.pem"}}, ("tls_certificate", "tls_key", "both, or none")),
    ],
)  # fmt: skip
def test_two_facts_that_cannot_both_hold_are_named_together(raw: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(TomatoError, match="contradict each other") as raised:
        parse_settings(raw)
    assert all(part in raised.value.message for part in parts), raised.value.message


def test_a_link_under_a_served_name_is_accepted_whatever_its_case() -> None:
    for hosts, link in ((["Tomato.local"], "https://tomato.local:8443"), ([], "http://localhost:8421")):
        assert parse_settings({"service": {"hosts": hosts}, "notify": {"link": link}}).notify.link == link


SECRET = "tgram://123456:hunter2/77"


@pytest.mark.parametrize(
    "text",
    [
        a_value("mqtt.password_from", f'"{SECRET}"'),
        a_value("bus.password_from", f'"{SECRET}"'),
        a_value("learn.bus.password_from", f'"{SECRET}"'),
        a_value("learn.observe.elasticsearch_key_from", f'"{SECRET}"'),
        a_value("advisor.endpoint_key_env", f'"{SECRET}"'),
        a_value("notify.deadman_url_from", f'"{SECRET}"'),
        f'[[notify.rules]]\nurls_from = "{SECRET}"\n',
        a_value("bus.url", '"redis://host:6379/0?password=hunter2"'),
        a_value("learn.bus.url", '"redis://host:6379/0?password=hunter2"'),
        a_value("notify.link", '"https://host/?token=hunter2"'),
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(text: str, tmp_path: Path) -> None:
    config = tmp_path / "tomato.toml"
    config.write_text(text)
    code, errors = run_with(config, tmp_path)
    assert code == 2 and "E-CONFIG-INVALID" in errors and "hunter2" not in errors, errors


@pytest.mark.parametrize(
    "url", ["", " ", "http://10.0.0.7", "socket://10.0.0.7", "socket://:3333", "socket://a:0", "rfc2217://a:99999"]
)
def test_what_can_never_be_a_board_is_refused(url: str) -> None:
    with pytest.raises(TomatoError, match=r"board\.url = .*an example is|board\.url = .*examples are"):
        parse_settings({"board": {"url": url}})


@pytest.mark.parametrize("url", ["sim", "/dev/ttyACM0", "COM3", "socket://10.0.0.7:3333", "rfc2217://pi.local:2217"])
def test_addresses_of_boards_are_accepted(url: str) -> None:
    assert parse_settings({"board": {"url": url}}).board.url == url


@pytest.mark.parametrize("zone", ["right/Europe/Vienna", "posix/Europe/Vienna", "localtime", "Factory", "posixrules"])
def test_files_beside_the_time_zones_are_none(zone: str) -> None:
    with pytest.raises(TomatoError, match="is not a time zone"):
        parse_settings({"site": {"timezone": zone}})


def test_the_address_of_the_learning_loops_metrics_is_checked_as_well() -> None:
    with pytest.raises(TomatoError, match=r"learn\.observe\.host = '10\.0\.0\.999'"):
        parse_settings({"learn": {"observe": {"host": "10.0.0.999"}}})


@pytest.mark.parametrize("file", ["tomato.toml", "data/private/events_2026-05.jsonl", "data/metadata.json"])
def test_a_log_is_never_written_into_settings_or_records(file: str, tmp_path: Path) -> None:
    config = tmp_path / "tomato.toml"
    config.write_text(f'[logs]\nfile = "{tmp_path / file}"\n')
    before = config.read_bytes()
    code, errors = run_with(config, tmp_path)
    assert code == 2 and "logs.file" in errors and errors.count("\n") == 1, errors
    assert config.read_bytes() == before and not (tmp_path / "data").exists()


def test_the_names_of_the_forecasts_quantities_are_those_of_the_model() -> None:
    names = {quantity.name for quantity in tent_quantities(())}
    assert names == set(FORECAST)
