#!/usr/bin/env python3
"""Makes the Python messages of Outboard's protos inside the package.

Run by the package build; by hand after a change of the protos: `./generate.py`.
Needs grpcio-tools. Writes src/outboard/{event,plugin,host}, which version control ignores.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TREES = ("event", "plugin", "host")


def proto_root() -> Path:
    """The folder of the protos: in the repository, or beside this file in a source archive."""
    for root in (HERE.parent.parent / "proto", HERE / "proto"):
        if (root / "outboard" / "plugin" / "v1" / "worker.proto").is_file():
            return root
    raise SystemExit(f"outboard: no protos at {HERE.parent.parent / 'proto'}; build from a clone")


def generate() -> list[Path]:
    """Writes the modules and returns them."""
    import grpc_tools
    from grpc_tools import protoc

    root = proto_root()
    out = HERE / "src"
    for tree in TREES:
        shutil.rmtree(out / "outboard" / tree, ignore_errors=True)
    files = sorted(str(p.relative_to(root)) for p in root.glob("outboard/*/v1/*.proto"))
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    code = protoc.main(
        [
            "protoc",
            f"-I{root}",
            f"-I{well_known}",
            f"--python_out={out}",
            f"--pyi_out={out}",
            *files,
        ]
    )
    if code != 0:
        raise SystemExit(f"outboard: protoc failed with {code} on {', '.join(files)}")
    for tree in TREES:
        for folder in (out / "outboard" / tree, out / "outboard" / tree / "v1"):
            (folder / "__init__.py").touch()
    return [p for tree in TREES for p in (out / "outboard" / tree).rglob("*.py*")]


if __name__ == "__main__":
    print(f"{len(generate())} files written under {HERE / 'src' / 'outboard'}", file=sys.stderr)
