"""The code of the tutorial runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from outboard.testing import Host

ROOT = Path(__file__).resolve().parents[3]
TUTORIAL = ROOT / "docs" / "tutorials" / "first-plugin-python.md"


def test_the_tutorials_plugin_passes_its_test_and_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n# greeter/(\S+)\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    assert [name for name, _ in blocks] == ["main.py", "main.py", "test_main.py"]
    for name, code in blocks:
        (tmp_path / name).write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with Host.launch([sys.executable, str(tmp_path / "main.py")]) as host:
        described = host.describe()
    assert [list(c.event_types) for c in described.components] == [["story.#"]]
