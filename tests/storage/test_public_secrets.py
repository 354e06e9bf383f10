"""A hundred planted secrets and forty pictures with every kind of metadata: none of it is in the public export."""

from __future__ import annotations

import binascii
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tomato_host.storage import Dataset
from tomato_host.storage.own_words import is_own_name, is_own_text, own_words
from tomato_host.storage.picture_files import encode_anew, strip_jpeg, strip_png
from tomato_host.storage.public import export_public
from tomato_host.storage.public_fields import WITHHELD, Publisher

from shared_schemas.records import AnomalyV1, PlanV1, SensorHealthV1, VisionV1
from tests.storage.samples import START, action, event, state

SECRETS = (
    # Keys and passwords, in fields and in sentences.
    "Bearer Zq3xTopSecretBlob", "Authorization: Basic bWF4OmdlaGVpbQ==", "password is hunter2",
    "the password: tr0ub4dor", "my pass is Correct-Horse", "PIN 4711", "code 90210x", "api_key=abc123",
    "apikey swordfish99", "token=9f8e7d", "secret sauce42", "sk-live-51H8xKq", "ghp_16CharactersOrMore123",
    "AKIAIOSFODNN7EXAMPLE", "xoxb-2048-abcdef", "glpat-x9Yz-123456789", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtYXgifQ.sig",
    "A1b2C3d4E5f6A7b8C9d0E1f2A3b4C5d6", "deadbeefcafebabe0123456789abcdef", "ssh-rsa AAAAB3NzaC1yc2E",
    "-----BEGIN PRIVATE KEY-----", "login max/geheim", "user max password 12345", "otp 884422", "WPA2 TomatenZelt!",
    "basic YWxhZGRpbjpvcGVuc2VzYW1l", "hunter2", "correcthorsebatterystaple", "S3cr3t!", "pwd:abc",
    # Networks and machines.
    "SSID FRITZ!Box 7590", "wifi name Tomatenhaus", "WLAN-Schluessel 77665544", "192.168.178.31", "10.0.0.7:8123",
    "fe80::1ff:fe23:4567:890a", "2001:db8:85a3::8a2e:370:7334", "aa:bb:cc:dd:ee:ff", "AA-BB-CC-DD-EE-01",
    "raspi.fritz.box", "max-laptop.local", "https://user:pw@cam.example/stream", "rtsp://cam/garden",
    "mqtt://broker.example:1883", "/home/max/photos", "/dev/serial/by-id/usb-E66118", "C:\\Users\\Max\\tent",
    "E66118C4E35A2F2B", "tomato.duckdns.org", "ftp.example.com",
    # People.
    "max@example.org", "Max Mustermann", "Frau Huber", "my daughter Lena", "Dr. Novak called", "+43 660 1234567",
    "0660 123 45 67", "(01) 555 12 34", "0043-1-5551234", "tel 5551234", "call 555 0199", "@max_gardens",
    "t.me/maxgarden", "born 24.12.1980", "passport P1234567", "IBAN AT61 1904 3002 3457 3201", "4111 1111 1111 1111",
    "SVNR 1237 010180", "W-12345X", "insured with Allianz",
    # Places.
    "Lindengasse 12/7", "Neubaugürtel 3", "1070 Wien", "221B Baker Street", "12 Elm St", "Hauptplatz 1", "PO Box 99",
    "48.2082, 16.3738", "48.2082° N, 16.3738° E", "48°12'30\" N 16°22'23\" E", "N48 12.500 E016 22.380",
    "latitude 48.2", "lat: 48.2082", "lon 16.37", "what3words ///filled.count.soap", "8FWR6C5Q+22", "JN88EE",
    "geo:48.2,16.3", "Vienna, 7th district", "the greenhouse behind the church", "Altes Rathaus", "apartment 4B",
    "door 17 second floor", "the key is under the mat", "next to Hofer", "postcode SW1A 1AA", "gate code 0815",
    "parcel 1234/5 KG Neubau", "we are away until Sunday", "alarm is off at night on weekends",
)  # fmt: skip

NAMES = ("hunter2", "max_laptop", "Lindengasse12", "Lena", "E66118C4E35A2F2B", "aa:bb:cc:dd:ee:ff", "4711-0815")


def texts_of(secret: str) -> list[Any]:
    """Records with the secret in every field that holds text."""
    text = f"so it is: {secret}"
    vision = {"source": "camera_main", "summary": text, "stress_score": 0.1, "fruit_count_est": 1, "confidence": 0.5}
    seen = state(reason=text).model_dump(mode="json")
    seen["plant"]["vision"] = vision
    why = {"text": text, "rules_fired": [text], "objective_hint": text}
    checks = [{"rule": "no_leak", "ok": False, "text": text}]
    safety = {"validated": False, "refused_by": "no_leak", "guardrails": [text], "clipped_by": [text], "checks": checks}
    outcome = {"status": "ABORTED", "reason": text}
    records: list[Any] = [seen, event(1, text=text).model_copy(update={"data": {"cause": secret[:32], "note": text}})]
    for number, origin in enumerate(("controller", "safe_mode", "person", "api", "mqtt", "llm", "policy")):
        records.append(action(number, origin=origin, why=why, safety=safety, outcome=outcome))
    records += [event(2, text=text).model_copy(update={"kind": kind}) for kind in ("agent", "mode", "board", "link")]
    records.append(PlanV1.model_validate(plan_with(text)))
    records.append(AnomalyV1.model_validate(anomaly_with(text)))
    records.append(SensorHealthV1.model_validate(health_with(text)))
    records.append(VisionV1.model_validate(vision_with(text)))
    return records


SCORE = ("j", "yield_proxy", "stress", "resource_use", "action_churn")


def plan_with(text: str) -> dict[str, Any]:
    return {
        "schema_version": "plan_v1", "ts": START, "id": "p-1", "controller": "rules", "state_ts": START,
        "horizon_h": 2.0,
        "steps": [{"start": START, "water_ml": 100.0}], "explanation": text, "rules_fired": [text], "not_done": [text],
        "rejected": [{"summary": text, "why": text, "score": dict.fromkeys(SCORE, 0.5)}],
    }  # fmt: skip


def anomaly_with(text: str) -> dict[str, Any]:
    return {
        "schema_version": "anomaly_v1", "ts": START, "severity": "HIGH", "type": "LEAK", "detail": text,
        "signals": {"cause": text, "value": 1.0}, "expected_effects": [text], "required_response": [text],
    }  # fmt: skip


def health_with(text: str) -> dict[str, Any]:
    sensor = {"id": "air_temp_c", "status": "OK", "confidence": 0.9, "detail": text}
    return {"schema_version": "sensor_health_v1", "ts": START, "sensors": [sensor]}


def vision_with(text: str) -> dict[str, Any]:
    return {
        "schema_version": "vision_v1", "ts": START, "leaf_color": "green", "wilting": False, "pest_signs": "none",
        "fruit_count_est": 3, "flower_count_est": None, "stress_score": 0.1, "notes": text, "confidence": 0.4,
        "source": "camera_main",
    }  # fmt: skip


def published(root: Path) -> str:
    """All public text, with the escapes of JSON undone."""
    lines = [line for path in sorted((root / "public").glob("*.jsonl")) for line in path.read_bytes().splitlines()]
    return "\n".join(json.dumps(json.loads(line), ensure_ascii=False).replace("\\\\", "\\") for line in lines)


def test_none_of_a_hundred_secrets_is_published(tmp_path: Path) -> None:
    assert len(set(SECRETS)) >= 100
    with Dataset.open(tmp_path, fsync="never") as dataset:
        count = 0
        for secret in SECRETS:
            for record in texts_of(secret):
                dataset.append(record)
                count += 1
    result = export_public(tmp_path)
    everything = published(tmp_path)
    assert sum(result.records.values()) == count and result.texts_withheld > 10 * len(SECRETS)
    assert [secret for secret in SECRETS if secret.replace('"', '\\"') in everything] == []
    assert "so it is" not in everything  # no half of a text either
    assert '"reasoning": "requested by api"' in everything


@pytest.mark.parametrize(
    "secret",
    [
        "Bearer Zq3xTopSecretBlob", "password is hunter2", "the password: tr0ub4dor", "221B Baker Street",
        "0660 123 45 67", "SSID FRITZ!Box", "fe80::1ff:fe23:4567:890a", "48°12'30\" N", "12 Elm St", "PIN 4711",
        "Authorization: Basic bWF4OmdlaGVpbQ==", "(01) 555 12 34", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtYXgifQ.sig",
        "AA-BB-CC-DD-EE-01", "wifi name Tomatenhaus", "max@example.org", "1070 Wien", "/home/max/photos",
    ],
)  # fmt: skip
def test_free_text_by_choice_is_still_searched(secret: str) -> None:
    shown = Publisher(free_text=True).free(f"The leaves hang; {secret} and more water helped.")
    assert secret not in shown and shown.startswith("The leaves hang; ") and WITHHELD in shown
    assert secret.split()[-1] not in shown


def test_words_of_a_person_go_out_by_choice(tmp_path: Path) -> None:
    with Dataset.open(tmp_path) as dataset:
        dataset.append(action(1, origin="person", why={"text": "The lower leaves hang since yesterday, Lena says"}))
    export_public(tmp_path)
    assert "Lena" not in published(tmp_path)
    result = export_public(tmp_path, free_text=True)
    assert "The lower leaves hang since yesterday, Lena says" in published(tmp_path) and result.free_text
    export_public(tmp_path, free_text=True, withhold=["lena"])
    assert "Lena" not in published(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_somebody_chose_is_a_number_everywhere(name: str, tmp_path: Path) -> None:
    probe: dict[str, Any] = {"id": name[:24].replace(":", "_"), "moisture_pct": 30.0, "confidence": 0.9}
    named = state().model_dump(mode="json")
    named["soil"]["probes"] = [probe]
    named["quantity_confidence"] = {f"soil.{name}": 0.9}
    with Dataset.open(tmp_path) as dataset:
        dataset.append(named)
        dataset.append(action(1, id=name, decision_id=name))
        dataset.append(AnomalyV1.model_validate(anomaly_with("") | {"subject": name, "id": name}))
    result = export_public(tmp_path)
    everything = published(tmp_path)
    assert name not in everything and probe["id"] not in everything
    assert result.names_replaced in (2, 3) and "name-1" in everything


OWN = (
    "P1 is dry at 15.6 %, so 200 ml now.", "soil.P1 < 18%", "vpd > 0.9 kPa", "light hours (16 h a day); moving air",
    "co2_solenoid: the exhaust is on", "heater_mat: soil at 21.8 degC is warm enough", "decision: vpd high",
    "warming_up", "exhaust_fan: on, for 207.11 s at most.", "SET_HUMIDIFIER a-20260501T204110-2",
    "light: night: tomatoes need a dark period",
)  # fmt: skip


@pytest.mark.parametrize("text", OWN)
def test_what_the_program_says_is_published_whole(text: str) -> None:
    assert Publisher().text(text) == text


def test_own_words_hold_nothing_that_announces_a_secret() -> None:
    assert 500 < len(own_words()) < 6_000
    assert not own_words() & {"password", "token", "vienna", "street", "lena", "wien", "key", "latitude"}


@pytest.mark.parametrize(
    "text", ["1070", "48.21 and 16.37", "1 2", "12 34 56", "0660", "12345", "°", "a1b2", "a@b", "a/../b"]
)
def test_numbers_without_a_unit_are_counts_or_nothing(text: str) -> None:
    assert not is_own_text(text)
    assert is_own_text("3 of 4 records") and is_own_text("at 15:00, 28 % and 1.6 kPa")
    assert is_own_name("a-20260501T204110-2") and is_own_name("SENSOR_DISCONNECT.soil.P1.DISCONNECT.1771059660")


# -- pictures ----------------------------------------------------------------------------------------------------

MARK = b"PLANTED-48.2082-16.3738-Lena"
_Y, _X = np.mgrid[0:48, 0:64]
PIXELS = np.stack([_X * 3 + 30, _Y * 4 + 20, 220 - _X - _Y], axis=2).astype(np.uint8)
"""A soft gradient: JPEG holds it within two steps of grey."""


def jpeg_of(*flags: int) -> bytes:
    return bytes(cv2.imencode(".jpg", PIXELS, [cv2.IMWRITE_JPEG_QUALITY, 95, *flags])[1].tobytes())


PLAIN = jpeg_of()
PROGRESSIVE = jpeg_of(cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
RESTARTS = jpeg_of(cv2.IMWRITE_JPEG_RST_INTERVAL, 2)
PNG = bytes(cv2.imencode(".png", PIXELS)[1].tobytes())


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def behind_start(picture: bytes, *segments: bytes) -> bytes:
    return picture[:2] + b"".join(segments) + picture[2:]


def behind_header(picture: bytes, *segments: bytes) -> bytes:
    at = 4 + int.from_bytes(picture[4:6], "big")
    return picture[:at] + b"".join(segments) + picture[at:]


def between_scans(picture: bytes, *segments: bytes) -> bytes:
    at = picture.rindex(b"\xff\xda")
    return picture[:at] + b"".join(segments) + picture[at:]


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + binascii.crc32(kind + body).to_bytes(4, "big")


def in_png(*chunks: bytes, late: bool = False) -> bytes:
    at = PNG.rindex(b"IEND") - 4 if late else 33
    return PNG[:at] + b"".join(chunks) + PNG[at:]


def transparent_png() -> bytes:
    """Under full transparency the colours spell the mark."""
    hidden = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)])
    hidden[0, : len(MARK), 0] = np.frombuffer(MARK, np.uint8)
    hidden[0, :, 3] = 0
    return bytes(cv2.imencode(".png", hidden)[1].tobytes())


def pictures() -> Iterator[tuple[str, bytes]]:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\0" + MARK
    for number in range(16):
        yield f"APP{number}", behind_header(PLAIN, segment(0xE0 + number, MARK))
    yield "EXIF before JFIF", behind_start(PLAIN, segment(0xE1, exif))
    yield "XMP", behind_header(PLAIN, segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x>" + MARK + b"</x>"))
    yield "colour profile", behind_header(PLAIN, segment(0xE2, b"ICC_PROFILE\0\x01\x01" + MARK))
    yield "IPTC", behind_header(PLAIN, segment(0xED, b"Photoshop 3.0\08BIM\x04\x04\0\0" + MARK))
    yield "comment", behind_header(PLAIN, segment(0xFE, MARK))
    yield "comment behind fill bytes", behind_header(PLAIN, b"\xff\xff\xff" + segment(0xFE, MARK))
    yield "APP0 extension", behind_header(PLAIN, segment(0xE0, b"JFXX\0\x10" + MARK))
    yield "thumbnail in JFIF", behind_start(PLAIN, segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\x03\x03" + MARK[:27]))
    yield "comment between scans", between_scans(PROGRESSIVE, segment(0xFE, MARK))
    yield "EXIF between scans", between_scans(PROGRESSIVE, segment(0xE1, exif))
    yield "unused table", behind_header(PLAIN, segment(0xDB, b"\x03" + MARK.ljust(64, b"!")))
    yield "unused code table", behind_header(PLAIN, segment(0xC4, b"\x03" + bytes([28, *[0] * 15]) + MARK))
    yield "bytes behind the end", PLAIN + MARK
    yield "a second picture behind the end", PLAIN + behind_start(PLAIN, segment(0xE1, exif))
    yield "a second picture behind a progressive one", PROGRESSIVE + behind_start(PLAIN, segment(0xE1, exif))
    yield "an archive behind the end", RESTARTS + b"PK\x03\x04" + MARK
    yield "multi-picture index", behind_header(PLAIN, segment(0xE2, b"MPF\0MM\0*" + MARK)) + PLAIN + MARK
    yield "PNG text", in_png(chunk(b"tEXt", b"Author\0" + MARK))
    yield "PNG international text", in_png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + MARK))
    yield "PNG compressed text", in_png(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(MARK, 0)))
    yield "PNG EXIF", in_png(chunk(b"eXIf", exif))
    yield "PNG private chunk", in_png(chunk(b"toMa", MARK), late=True)
    yield "PNG behind the end", PNG + MARK
    yield "PNG with colours under transparency", transparent_png()


PICTURES = dict(pictures())


def test_there_are_forty_pictures_and_each_holds_the_mark() -> None:
    assert len(PICTURES) >= 40
    for name, data in PICTURES.items():
        hidden = MARK[:27] in data or name == "PNG with colours under transparency"
        assert hidden and cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None, name


def markers_of(picture: bytes) -> set[int]:
    """The markers of a baseline JPEG that ends with its picture."""
    found, at = set(), 2
    while picture[at + 1] != 0xDA:
        found.add(picture[at + 1])
        at += 2 + int.from_bytes(picture[at + 2 : at + 4], "big")
    assert picture.endswith(b"\xff\xd9") and picture.count(b"\xff\xd9") == 1
    return found


@pytest.mark.parametrize("name", PICTURES)
def test_a_public_picture_is_made_of_pixels(name: str, tmp_path: Path) -> None:
    Dataset.open(tmp_path).close()
    data = PICTURES[name]
    folder = tmp_path / "private" / "images" / "2026-02-14"
    folder.mkdir()
    suffix = ".png" if data.startswith(b"\x89PNG") else ".jpg"
    (folder / f"camera_main_093000-0123456789ab{suffix}").write_bytes(data)
    result = export_public(tmp_path)
    assert (result.images, result.images_kept_back) == (1, 0)
    (shown,) = (tmp_path / "public" / "images").glob("*/*")
    assert shown.name == "camera_main_093000.jpg"
    picture = shown.read_bytes()
    assert MARK[:20] not in picture and markers_of(picture) <= {0xE0, 0xDB, 0xC0, 0xC4}
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None and float(np.mean(np.abs(pixels.astype(int)[8:] - PIXELS.astype(int)[8:]))) < 6.0


@pytest.mark.parametrize("name", [name for name in PICTURES if "table" not in name and "transparency" not in name])
def test_the_dashboard_drops_the_known_segments_without_touching_pixels(name: str) -> None:
    data = PICTURES[name]
    shown = strip_png(data) if data.startswith(b"\x89PNG") else strip_jpeg(data)
    assert MARK[:20] not in shown and zlib.compress(MARK, 0) not in shown
    one, other = (cv2.imdecode(np.frombuffer(part, np.uint8), cv2.IMREAD_COLOR) for part in (data, shown))
    assert one is not None and other is not None and np.array_equal(one, other)


def test_a_secret_in_a_file_name_a_link_or_another_format_stays(tmp_path: Path) -> None:
    Dataset.open(tmp_path).close()
    private = tmp_path / "private" / "images"
    for day, name in (("2026-02-14", "camera_main_at Lena's.jpg"), ("Lena", "camera_main_093000.jpg")):
        (private / day).mkdir(exist_ok=True)
        (private / day / name).write_bytes(PLAIN)
    (tmp_path / "elsewhere.jpg").write_bytes(PLAIN)
    (private / "2026-02-14" / "camera_main_100000.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    (private / "2026-02-14" / "camera_main_110000.jpg").write_bytes(b"GIF89a" + MARK)
    assert export_public(tmp_path).images == 0
    with pytest.raises(ValueError):
        encode_anew(b"GIF89a" + MARK)


def test_without_an_encoder_no_photo_goes_out_and_the_report_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Dataset.open(tmp_path).close()
    folder = tmp_path / "private" / "images" / "2026-02-14"
    folder.mkdir()
    (folder / "camera_main_093000.jpg").write_bytes(PLAIN)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = export_public(tmp_path)
    assert (result.images, result.images_kept_back) == (0, 1) and "tomato-host[camera]" in result.images_note
