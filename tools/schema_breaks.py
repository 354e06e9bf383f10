"""Compare the published schemas with the golden copies that clients were built on; a breaking change needs a flag.

python tools/schema_breaks.py                       exit 1 and name every change that would break a client
python tools/schema_breaks.py --accept              make today's schemas the golden ones; refused while something breaks
python tools/schema_breaks.py --breaking "reason"   the same, with what breaks; the reason is written down beside them

Additions are free: a new optional field, path or message breaks nobody. What a client sends and what it is sent break
differently: a new required member breaks the sender, one that may now be missing breaks the reader.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "host")]

from tomato_host import __version__  # noqa: E402

EXPORT = ROOT / "shared_schemas" / "export"
GOLDEN = ROOT / "tests" / "contracts" / "golden" / "schemas"
ACCEPTED = "breaking_changes.txt"
PROTO_FOLDERS = ("learn", "world")
SENT_BY_CLIENTS = frozenset({"intent_v1", "effect_draft_v1"})
"""Schemas of what a client sends; all others are of what it reads."""
METHODS = ("get", "post", "put", "patch", "delete")

Json = Mapping[str, Any]
NARROWER = (("minimum", 1), ("exclusiveMinimum", 1), ("minLength", 1), ("minItems", 1),
            ("maximum", -1), ("exclusiveMaximum", -1), ("maxLength", -1), ("maxItems", -1))  # fmt: skip
"""Bounds, and the direction in which each refuses more."""


def schema_breaks(old: Json, new: Json, where: str, *, is_sent: bool) -> Iterator[str]:
    """Breaking differences of two JSON Schemas; `is_sent`: a client sends it."""
    yield from _node_breaks(old, new, old, new, where, is_sent, frozenset())


def _resolved(node: Any, root: Json) -> Any:
    while isinstance(node, Mapping) and "$ref" in node:
        found: Any = root
        for part in str(node["$ref"]).removeprefix("#/").split("/"):
            found = found.get(part, {})
        node = found
    return node


def _node_breaks(
    old: Any, new: Any, old_root: Json, new_root: Json, where: str, is_sent: bool, seen: frozenset[str]
) -> Iterator[str]:
    name = str(old.get("$ref", "")) if isinstance(old, Mapping) else ""
    if name in seen:
        return
    seen = seen | {name} if name else seen
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return
    yield from _kind_breaks(old, new, where, is_sent)
    if is_sent:
        yield from _bound_breaks(old, new, where)
    yield from _member_breaks(old, new, where, is_sent)
    for key, one in old.get("properties", {}).items():
        if key in new.get("properties", {}):
            yield from _node_breaks(one, new["properties"][key], old_root, new_root, f"{where}.{key}", is_sent, seen)
    if "items" in old and "items" in new:
        yield from _node_breaks(old["items"], new["items"], old_root, new_root, f"{where}[]", is_sent, seen)
    for key in ("anyOf", "oneOf"):
        for number, one in enumerate(old.get(key, ())):
            for other in new.get(key, ())[number : number + 1]:
                yield from _node_breaks(one, other, old_root, new_root, where, is_sent, seen)


def _kinds(node: Json) -> set[str]:
    """Types that a node allows; empty: any."""
    found = node.get("type")
    names = set(found) if isinstance(found, list) else {found} if found else set()
    for key in ("anyOf", "oneOf"):
        for one in node.get(key, ()):
            names |= {str(one["$ref"])} if "$ref" in one else _kinds(one)
    return names


def _values(node: Json) -> set[str] | None:
    """Values that a node allows, or None for any."""
    if "const" in node:
        return {json.dumps(node["const"])}
    return {json.dumps(value) for value in node["enum"]} if "enum" in node else None


def _kind_breaks(old: Json, new: Json, where: str, is_sent: bool) -> Iterator[str]:
    before, after = _kinds(old), _kinds(new)
    gone, added = (before - after if after else set()), (after - before if before else set())
    if "integer" in gone and "number" in after:
        gone.discard("integer")
    for kind in sorted(gone if is_sent else added):
        yield f"{where}: {'no longer takes' if is_sent else 'may now be'} {kind}"
    old_values, new_values = _values(old), _values(new)
    if new_values is not None and is_sent and old_values != new_values:
        for value in sorted((old_values or {"any other value"}) - new_values):
            yield f"{where}: no longer takes {value}"
    if old_values is not None and "const" in old and old_values != new_values and not is_sent:
        yield f"{where}: was always {', '.join(sorted(old_values))}"


def _bound_breaks(old: Json, new: Json, where: str) -> Iterator[str]:
    for name, sign in NARROWER:
        if name in new and (name not in old or (new[name] - old[name]) * sign > 0):
            yield f"{where}: {name} is now {new[name]}"
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield f"{where}: pattern is now {new['pattern']}"
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
        yield f"{where}: other members are refused now"


def _member_breaks(old: Json, new: Json, where: str, is_sent: bool) -> Iterator[str]:
    had, has = old.get("properties", {}), new.get("properties", {})
    needed, needs = set(old.get("required", ())), set(new.get("required", ()))
    for key in sorted(had):
        if key not in has:
            yield f"{where}.{key}: gone"
        elif is_sent and key in needs - needed:
            yield f"{where}.{key}: needed now"
        elif not is_sent and key in needed - needs:
            yield f"{where}.{key}: may be missing now"
    for key in sorted(set(has) - set(had)):
        if is_sent and key in needs:
            yield f"{where}.{key}: new and needed"


def openapi_breaks(old: Json, new: Json) -> Iterator[str]:
    """Breaking differences of two OpenAPI descriptions."""
    for path, methods in old["paths"].items():
        for method in (name for name in METHODS if name in methods):
            where, before, after = f"{method.upper()} {path}", methods[method], new["paths"].get(path, {}).get(method)
            if after is None:
                yield f"{where}: gone"
                continue
            yield from _parameter_breaks(before, after, where)
            yield from _body_breaks(before, after, old, new, where)
            for status in sorted(set(before["responses"]) - set(after["responses"])):
                yield f"{where}: the answer {status} is no longer described"


def _parameter_breaks(before: Json, after: Json, where: str) -> Iterator[str]:
    old, new = ({(one["in"], one["name"]): one for one in side.get("parameters", ())} for side in (before, after))
    for kind, name in sorted(old.keys() - new.keys()):
        yield f"{where}: the {kind} parameter {name} is gone"
    for key, one in new.items():
        if one.get("required") and not old.get(key, {}).get("required"):
            yield f"{where}: the {key[0]} parameter {key[1]} is needed now"
    for key in sorted(old.keys() & new.keys()):
        yield from schema_breaks(old[key]["schema"], new[key]["schema"], f"{where}?{key[1]}", is_sent=True)


def _body_breaks(before: Json, after: Json, old: Json, new: Json, where: str) -> Iterator[str]:
    bodies = [side.get("requestBody", {}).get("content", {}).get("application/json") for side in (before, after)]
    if bodies[0] is None and bodies[1] is not None:
        yield f"{where}: a body is needed now"
    elif bodies[0] is not None and bodies[1] is not None:
        yield from _node_breaks(bodies[0]["schema"], bodies[1]["schema"], old, new, where, True, frozenset())


def proto_breaks(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Breaking differences of two sets of protobuf messages (`messages_of`); names count, JSON uses them."""
    for name, (fields, reserved) in old.items():
        if name not in new:
            yield f"message {name}: gone"
            continue
        fields_now, reserved_now = new[name]
        for number, field in fields.items():
            if number not in fields_now:
                is_reserved = number in reserved_now
                yield f"{name}.{field[0]}: gone" + ("" if is_reserved else f", and its number {number} is not reserved")
            elif fields_now[number] != field:
                yield f"{name} {number}: was {' '.join(field)}, is {' '.join(fields_now[number])}"
        for number in sorted(reserved & fields_now.keys()):
            yield f"{name} {number}: was reserved and is used again"


def messages_of(folder: Path) -> dict[str, Any]:
    """Fields by number, and reserved numbers, of every message of the .proto files below a folder."""
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    from tools.generate_protobuf import run_protoc

    sources = sorted(folder.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "set"
        run_protoc(sources, [f"--descriptor_set_out={out}"], folder.parent)
        found = FileDescriptorSet.FromString(out.read_bytes())
    messages: dict[str, Any] = {}

    def add(message: Any, prefix: str) -> None:
        name = f"{prefix}.{message.name}"
        fields = {
            one.number: (one.name, Field.Type.Name(one.type), one.type_name, Field.Label.Name(one.label))
            for one in message.field
        }
        reserved = {number for span in message.reserved_range for number in range(span.start, min(span.end, 1_000))}
        messages[name] = fields, reserved
        for nested in message.nested_type:
            add(nested, name)

    for file in found.file:
        for message in file.message_type:
            add(message, file.package)
    return messages


def all_breaks(golden: Path = GOLDEN, export: Path = EXPORT, protos: Path = ROOT / "shared_schemas") -> list[str]:
    """Everything that breaks against the golden copies."""
    found: list[str] = []
    for path in sorted(golden.glob("*.json")):
        now = export / path.name
        if not now.exists():
            found.append(f"{path.name}: gone")
            continue
        old, new = json.loads(path.read_text(encoding="utf-8")), json.loads(now.read_text(encoding="utf-8"))
        name = path.name.removesuffix(".schema.json")
        breaks = openapi_breaks(old, new) if path.name == "openapi.json" else schema_breaks(
            old, new, name, is_sent=name in SENT_BY_CLIENTS
        )  # fmt: skip
        found += breaks
    kept = golden / "shared_schemas"
    if kept.exists():
        found += proto_breaks(messages_of(kept), messages_of(protos))
    return found


def accept(golden: Path = GOLDEN, export: Path = EXPORT, protos: Path = ROOT / "shared_schemas") -> None:
    """Today's schemas become the golden ones."""
    golden.mkdir(parents=True, exist_ok=True)
    for path in sorted(export.glob("*.json")):
        (golden / path.name).write_bytes(path.read_bytes())
    for folder in PROTO_FOLDERS:
        to = golden / "shared_schemas" / folder
        to.mkdir(parents=True, exist_ok=True)
        for path in sorted((protos / folder).glob("*.proto")):
            (to / path.name).write_bytes(path.read_bytes())


def main(argv: list[str] | None = None, golden: Path = GOLDEN, export: Path = EXPORT) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accept", action="store_true", help="make today's schemas the golden ones")
    parser.add_argument("--breaking", metavar="REASON", help="accept what breaks, too, and write down why")
    args = parser.parse_args(argv)
    found = all_breaks(golden, export)
    for one in found:
        print(f"breaks clients: {one}")
    if args.breaking:
        golden.mkdir(parents=True, exist_ok=True)
        with (golden / ACCEPTED).open("a", encoding="utf-8") as file:
            file.writelines(f"{__version__}: {one} ({args.breaking})\n" for one in found)
        accept(golden, export)
        return 0
    if found:
        print(
            'a breaking change needs a flag: python tools/schema_breaks.py --breaking "reason", and a line in CHANGELOG'
        )
        return 1
    if args.accept:
        accept(golden, export)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
