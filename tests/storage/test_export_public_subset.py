"""Public export: only what the whitelist names, nothing secret, every action with its state and its reason."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.storage import Dataset
from tomato_host.storage.chain import Head, follows, genesis, parse_line
from tomato_host.storage.picture_files import strip_jpeg
from tomato_host.storage.public import export_public
from tomato_host.storage.public_fields import PUBLIC, WITHHELD, FieldRule, clean_text
from tomato_host.storage.public_images import camera_of

from shared_schemas.records import RECORDS, EventV1, PlanV1, VisionV1
from tests.storage.samples import START, action, event, observations, state

SECRETS = [
    "https://user:pw@cam.example/stream",
    "rtsp://192.168.1.20/garden",
    "max@example.org",
    "api_key=abc123",
    "token: 9f8e7d",
    "Authorization: Bearer eyJhbGciOi",
    "ghp_16CharactersOrMore123",
    "192.168.178.31",
    "aa:bb:cc:dd:ee:ff",
    "48.2082, 16.3738",
    "48.2082° N, 16.3738° E",
    "latitude 48.2",
    "Lindengasse 12/7",
    "Neubaugürtel 3",
    "1070 Wien",
    "+43 660 1234567",
    "/home/max/photos",
    "/dev/serial/by-id/usb-E66118",
    "A1b2C3d4E5f6A7b8C9d0E1f2A3b4C5d6",
    "password hunter2",
]


def plan(number: int, ts: Any, controller: str = "rules", **fields: object) -> PlanV1:
    return PlanV1.model_validate(
        {
            "schema_version": "plan_v1",
            "ts": ts,
            "id": f"p-{number}",
            "controller": controller,
            "state_ts": ts,
            "horizon_h": 2.0,
            "steps": [{"start": ts, "water_ml": 100.0}],
            "explanation": "P1 is dry",
            **fields,
        }
    )


def public_records(root: Path, stream: str) -> list[dict[str, Any]]:
    found = []
    for path in sorted((root / "public").glob(f"{stream}_public_*.jsonl")):
        found += [json.loads(line)["record"] for line in path.read_bytes().splitlines()]
    return found


VISION = VisionV1.model_validate(
    {
        "schema_version": "vision_v1",
        "ts": START,
        "leaf_color": "green",
        "wilting": False,
        "pest_signs": "none",
        "fruit_count_est": 3,
        "flower_count_est": None,
        "stress_score": 0.1,
        "notes": "the street outside",
        "confidence": 0.4,
        "source": "camera_door",
    }
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    later = START + timedelta(minutes=30)
    seen_outside = state().model_dump(mode="json")
    seen_outside["plant"]["vision"] = {
        "source": "camera_door",
        "summary": "the street",
        "stress_score": None,
        "fruit_count_est": None,
        "confidence": 0.1,
    }
    reset = EventV1.model_validate(
        {
            "schema_version": "event_v1",
            "ts": later,
            "level": "WARNING",
            "kind": "board",
            "name": "board_reset",
            "text": "The board started again.",
            "data": {"reset_cause": "watchdog", "lat": 48.2, "host": "192.168.1.9", "boot_id": 18},
        }
    )
    told = reset.model_copy(update={"kind": "notification", "name": "sent", "text": "sent to +43 660 1234567"})
    refused = action(
        3,
        later,
        safety={"validated": False, "refused_by": "no_leak"},
        why={"state_ts": later, "text": "it is dry at Lindengasse 12"},
    )
    with Dataset.open(tmp_path) as dataset:
        written: list[Any] = [
            *observations(3),
            state(),
            plan(1, START),
            action(1),
            VISION,
            seen_outside,
            state(later),
            plan(2, later, "mpc"),
            action(2, later, why={}, decision_id="p-2"),
            refused,
            reset,
            told,
        ]
        for record in written:
            dataset.append(record)
    return tmp_path


def test_export_filters_private_fields(root: Path) -> None:
    result = export_public(root, withhold=["camera_door"])
    names = sorted(path.name for path in (root / "public").glob("*.jsonl"))
    assert names == [f"{s}_public_2026-02.jsonl" for s in ("actions", "events", "plans", "states")]
    everything = "".join((root / "public" / name).read_text() for name in names)
    for private in ("camera_door", "street", "Lindengasse", "192.168", "+43", '"lat"', "sensors_raw"):
        assert private not in everything
    # Raw samples, the guardrails camera's findings and the notification stay private; the rest is all there.
    assert result.withheld_records == 5
    assert result.records == {"states": 3, "plans": 2, "actions": 3, "events": 1}
    allowed = set(PUBLIC["action_v1"]) | {"state_ref", "reasoning"}
    assert all(set(record) <= allowed for record in public_records(root, "actions"))
    assert public_records(root, "events")[0]["data"] == {"reset_cause": "watchdog", "boot_id": 18}
    assert [s["plant"]["vision"] for s in public_records(root, "states")] == [None, None, None]


def test_each_public_action_references_its_state_and_its_reasons(root: Path) -> None:
    result = export_public(root)
    states = {}
    for line in (root / "public" / "states_public_2026-02.jsonl").read_bytes().splitlines():
        link = parse_line(line)
        states[link.seq] = (link.hash, json.loads(link.payload)["ts"])
    actions = public_records(root, "actions")
    assert [a["state_ref"]["seq"] for a in actions] == [1, 3, 3]
    assert [a["state_ref"]["exact"] for a in actions] == [True, False, True]
    assert all(states[a["state_ref"]["seq"]] == (a["state_ref"]["hash"], a["state_ref"]["ts"]) for a in actions)
    assert [a["reasoning"] for a in actions] == ["soil.P1 < 18%", "P1 is dry", WITHHELD]
    assert result.actions_without_state == result.actions_without_reason == 0


def test_failures_and_the_baseline_are_published_too(root: Path) -> None:
    result = export_public(root)
    assert result.failures == {"board_reset": 1, "sent": 1, "action_refused": 1}
    assert result.baseline_plans == 1
    assert [p["controller"] for p in public_records(root, "plans")] == ["rules", "mpc"]
    refused = public_records(root, "actions")[2]
    assert refused["safety"] == {
        "validated": False,
        "guardrails": [],
        "refused_by": "no_leak",
        "clipped_by": [],
        "checks": [],
    }
    assert json.loads((root / "public" / "report.json").read_text()) == result.as_json()


def test_the_export_is_repeatable_and_its_chain_holds(root: Path) -> None:
    def files() -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in (root / "public").iterdir() if p.is_file()}

    export_public(root)
    first = files()
    (root / "public" / "plans_public_2025-01.jsonl").write_text("left over")
    export_public(root)
    assert files() == first
    head = genesis("public/states")
    for line in first["states_public_2026-02.jsonl"].splitlines():
        link = parse_line(line)
        assert follows(link, head) == ""
        head = Head(link.n, link.seq, link.hash)


@pytest.mark.parametrize("name", ["ledger_allocated", "books_drawn"])
def test_ledger_events_stay_private_under_both_names(tmp_path: Path, name: str) -> None:
    with Dataset.open(tmp_path) as dataset:
        dataset.append(event(1))
        dataset.append(event(2).model_copy(update={"kind": "board", "name": name}))
    assert export_public(tmp_path).withheld_records == 1
    assert [record["name"] for record in public_records(tmp_path, "events")] == ["tick"]


def test_an_action_without_a_state_or_reason_is_counted(tmp_path: Path) -> None:
    with Dataset.open(tmp_path) as dataset:
        dataset.append(action(1, why={}))
        dataset.append(action(2, why={}, origin="person"))
    result = export_public(tmp_path)
    assert (result.actions_without_state, result.actions_without_reason) == (2, 1)
    actions = public_records(tmp_path, "actions")
    assert [(a["state_ref"], a["reasoning"]) for a in actions] == [(None, None), (None, "requested by person")]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_in_free_text_are_struck_out(tmp_path: Path, secret: str) -> None:
    texts = {"text": f"see {secret} for more", "rules_fired": [f"rule with {secret} in it"], "state_ts": START}
    with Dataset.open(tmp_path) as dataset:
        dataset.append(state(reason=f"because {secret}"))
        dataset.append(plan(1, START, explanation=f"why {secret}", not_done=[f"not {secret}"]))
        dataset.append(action(1, why=texts, outcome={"status": "ABORTED", "reason": f"said {secret}"}))
        dataset.append(event(1, text=f"happened at {secret}."))
    export_public(tmp_path)
    everything = "".join(path.read_text() for path in (tmp_path / "public").glob("*.jsonl"))
    assert secret not in everything and everything.count(WITHHELD) >= 7


def test_plain_texts_stay_readable() -> None:
    for text in (
        "P1 is dry at 15.6 %, so 200 ml now.",
        "VPD 1.6 kPa at 15:00 because outside air falls to 28 % RH",
        "soil.P1 < 18%",
        "Board vanished from its port; retrying.",
        "air 24.31 degC, leaf 23.70 degC",
    ):
        assert clean_text(text, ()) == text


@given(st.text(min_size=3, max_size=20).filter(lambda s: s.strip() == s and s.isalnum()))
def test_a_withheld_phrase_never_comes_through(phrase: str) -> None:
    cleaned = clean_text(f"a {phrase} b {phrase.upper()} c", (phrase,))
    assert phrase.lower() not in cleaned.lower().replace(WITHHELD, "")


def test_every_whitelisted_name_exists_in_the_contract() -> None:
    def check(tree: Any, schema: dict[str, Any], root: dict[str, Any], where: str) -> None:
        if isinstance(tree, FieldRule):
            return
        for option in [schema, *schema.get("anyOf", [])]:
            option = option.get("items", option)
            if "$ref" in option:
                option = root["$defs"][option["$ref"].rsplit("/", 1)[1]]
            if "properties" in option:
                for name, below in tree.items():
                    assert name in option["properties"], f"{where}.{name}"
                    check(below, option["properties"][name], root, f"{where}.{name}")
                return
        raise AssertionError(f"{where} has no parts")

    for version, tree in PUBLIC.items():
        schema = RECORDS[version].model_json_schema()
        check(tree, schema, schema, version)


def jpeg(*segments: bytes, tail: bytes = b"") -> bytes:
    return b"\xff\xd8" + b"".join(segments) + b"\xff\xda\x00\x04\x01\x02picture\xff\x00data\xff\xd9" + tail


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def test_photos_lose_everything_but_the_picture() -> None:
    jfif, table = segment(0xE0, b"JFIF\0"), segment(0xDB, b"quantisation")
    exif, comment = segment(0xE1, b"Exif\0\0GPS 48.2 16.3"), segment(0xFE, b"taken at home")
    assert strip_jpeg(jpeg(jfif, exif, comment, table, tail=b"film behind the picture")) == jpeg(jfif, table)
    assert strip_jpeg(jpeg(exif, jfif, table, jfif)) == jpeg(jfif, table)  # only the first header is one
    for broken in (b"", b"PNG", jpeg(exif)[:12], b"\xff\xd8\xff\xe1\xff\xff", b"\xff\xd8abcdef"):
        with pytest.raises(ValueError):
            strip_jpeg(broken)


PICTURE = cv2.imencode(".jpg", np.full((16, 16, 3), 90, np.uint8))[1].tobytes()


def test_only_photos_of_public_cameras_go_out(tmp_path: Path) -> None:
    Dataset.open(tmp_path).close()
    folder = tmp_path / "private" / "images" / "2026-02-14"
    folder.mkdir()
    for name in ("camera_main_100000.jpg", "camera_door_100000.jpg", "camera_main_110000.jpg"):
        (folder / name).write_bytes(PICTURE[:2] + segment(0xE1, b"Exif GPS") + PICTURE[2:])
    (folder / "camera_main_110000.jpg").write_bytes(b"no picture")
    result = export_public(tmp_path)
    shown = [path.name for path in (tmp_path / "public" / "images").glob("*/*")]
    assert shown == ["camera_main_100000.jpg"] and (result.images, result.images_kept_back) == (1, 2)
    assert camera_of(folder / "camera_main_100000.jpg") == "camera_main"
    (folder / "camera_main_100000.jpg").unlink()
    export_public(tmp_path)
    assert list((tmp_path / "public" / "images").glob("*/*")) == []
