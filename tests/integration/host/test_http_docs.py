"""The curl commands of the how-to page do what the page says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from http_host import HttpHost
from running_host import ROOT

PAGE = ROOT / "docs" / "how-to" / "publish-over-http.md"


def examples() -> list[tuple[str, str]]:
    """Command and answer, block after block."""
    found = re.findall(r"```sh\n(.*?)```\n+```\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(found) >= 5
    return found


def words(text: str) -> list[str]:
    """Line ends are the page's own."""
    return text.split()


def test_the_commands_of_the_page_answer_as_it_says(tmp_path: Path) -> None:
    with HttpHost(tmp_path) as host:
        for command, said in examples():
            assert "127.0.0.1:8080" in command
            here = command.replace("127.0.0.1:8080", f"127.0.0.1:{host.port()}")
            done = subprocess.run(["bash", "-c", here], capture_output=True, text=True, timeout=60, check=True)
            for part in said.strip().split("\n\n"):
                for line in part.split("\n") if part.startswith("HTTP/") else [part]:
                    assert " ".join(words(line)) in " ".join(words(done.stdout)), command
