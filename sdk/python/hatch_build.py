"""Build hook: makes the proto modules before the package is packed or linked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))


class ProtoBuildHook(BuildHookInterface):  # type: ignore[misc]
    """Runs generate.py for wheels, editable installs and source archives."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        from generate import generate

        generate()
