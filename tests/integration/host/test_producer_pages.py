"""The configurations in the pages about producers: each is what `outboard check` takes, plugin and all."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from running_host import BIN, ROOT

PAGES = sorted((ROOT / "docs" / "how-to").glob("produce-to-*.md"))


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_configurations_of_a_page_are_good(page: Path, tmp_path: Path) -> None:
    blocks = [block for block in re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
              if "plugins:" in block]
    assert blocks
    for number, block in enumerate(blocks):
        config = tmp_path / f"{number}.yaml"
        config.write_text(block.replace("./build/release/bin", str(BIN)))
        secrets = {name: "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtMTIz" for name in re.findall(r"\$\{(\w+)\}", block)}
        done = subprocess.run([BIN / "outboard", "check", "--offline", "--config", config], capture_output=True,
                              text=True, timeout=60, check=False, env={**os.environ, **secrets})
        assert done.returncode == 0, done.stdout + done.stderr
