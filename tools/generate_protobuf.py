"""Write the Python bindings of shared_schemas/{learn,world}/*.proto; with --check, fail when the committed ones differ.

python tools/generate_protobuf.py          write
python tools/generate_protobuf.py --check  exit 1 and name the sources whose bindings drifted

Compared are the compiled descriptors, not the text: another version of the generator words a binding differently.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("learn", "world")
sys.path[:0] = [str(ROOT)]


def run_protoc(sources: list[Path], arguments: list[str], root: Path = ROOT) -> None:
    """Run protoc on sources below `root`. Raises SystemExit with its code when it refuses one."""
    import grpc_tools
    from grpc_tools import protoc

    known_types = Path(grpc_tools.__file__).parent / "_proto"
    code = protoc.main(
        ["protoc", f"--proto_path={root}", f"--proto_path={known_types}", *arguments, *map(str, sources)]
    )
    if code:
        raise SystemExit(code)


def descriptors(sources: list[Path]) -> dict[str, bytes]:
    """The compiled descriptor of every source, by its path inside the project."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        run_protoc(sources, [f"--descriptor_set_out={out}"])
        found = FileDescriptorSet.FromString(out.read_bytes())
    for one in found.file:
        for message in one.message_type:
            without_json_names(message)
    return {one.name: one.SerializeToString(deterministic=True) for one in found.file}


def without_json_names(message: Any) -> None:
    """Clear what protoc derives for a descriptor set and leaves out of a binding."""
    for field in message.field:
        field.ClearField("json_name")
    for nested in message.nested_type:
        without_json_names(nested)


def committed(source: Path) -> bytes | None:
    """The descriptor inside the committed binding; None when there is none."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    try:
        module = importlib.import_module(f"shared_schemas.{source.parent.name}.{source.stem}_pb2")
    except ImportError:
        return None
    return FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb).SerializeToString(deterministic=True)


def drifted(sources: list[Path]) -> list[str]:
    """Sources without a binding or with another one's, and bindings without a source."""
    fresh = descriptors(sources)
    wrong = [str(one.relative_to(ROOT)) for one in sources if fresh[str(one.relative_to(ROOT))] != committed(one)]
    wanted = {one.with_name(f"{one.stem}_pb2") for one in sources}
    return wrong + [str(p.relative_to(ROOT)) for p in bindings() if p.with_suffix("") not in wanted]


def bindings() -> list[Path]:
    """Every committed binding."""
    return [path for folder in FOLDERS for path in sorted((ROOT / "shared_schemas" / folder).glob("*_pb2.py*"))]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a binding differs")
    sources = [path for folder in FOLDERS for path in sorted((ROOT / "shared_schemas" / folder).glob("*.proto"))]
    if parser.parse_args(argv).check:
        wrong = drifted(sources)
        for name in wrong:
            print(f"differs from its binding: {name} (run `make schemas`)")
        return 1 if wrong else 0
    for old in bindings():
        old.unlink()
    run_protoc(sources, [f"--python_out={ROOT}", f"--pyi_out={ROOT}"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
