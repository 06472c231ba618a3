"""The code in the pages about stages, producers and pipelines: its tests pass, its configurations are good, and its
calls print what the page says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from running_host import BIN, PYTHON, ROOT, RunningHost

DOCS = ROOT / "docs"
PIPELINE = DOCS / "how-to" / "answer-calls-with-a-pipeline.md"
PAGES = [DOCS / "tutorials" / "first-stage.md", DOCS / "tutorials" / "first-producer.md", PIPELINE,
         DOCS / "how-to" / "screen-events.md"]


def unpack(page: Path, folder: Path) -> None:
    """Writes the files of a page: blocks whose first line is their name."""
    found = re.findall(r"^```python\n# \w+/(\w+\.py)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) >= 2
    for name, text in found:
        (folder / name).write_text(text)


def printed(page: Path, name: str) -> str:
    """What the page shows below a program."""
    found = re.search(rf"^```python\n# \w+/{name}\n.*?^```\n\n```\n(.*?)^```$", page.read_text(),
                      re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_tests_of_a_page_pass(page: Path, tmp_path: Path) -> None:
    unpack(page, tmp_path)
    done = subprocess.run([PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=tmp_path, capture_output=True,
                          text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_configuration_of_a_page_is_good(page: Path, tmp_path: Path) -> None:
    unpack(page, tmp_path)
    [config] = [block for block in re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
                if "plugins:" in block]
    (tmp_path / "outboard.yaml").write_text(config.replace("../.venv/bin/python", str(PYTHON)))
    done = subprocess.run([BIN / "outboard", "check"], cwd=tmp_path, capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_calls_print_what_the_page_says(tmp_path: Path) -> None:
    unpack(PIPELINE, tmp_path)
    plugins = [{"name": name, "run": [str(PYTHON), f"{name}.py"]} for name in ("rules", "store")]
    queue = {"name": "queue", "stages": ["rules.guard", "rules.defaults", "store"]}
    with RunningHost(tmp_path, plugins=plugins, routes=[], pipelines=[queue]) as host:
        for name in ("ask.py", "stream.py"):
            program = (tmp_path / name).read_text()
            here = re.sub(r'f"unix:/tmp/[^"]*"', f'"unix:{host.socket}"', program)
            done = subprocess.run([PYTHON, "-"], input=here, cwd=tmp_path, capture_output=True, text=True, timeout=120,
                                  check=False)
            assert (done.returncode, done.stdout) == (0, printed(PIPELINE, name)), done.stderr
