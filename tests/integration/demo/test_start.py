"""How the demo begins: with the right flags only, and on a port that is free."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "deploy" / "demo_lib"))

import serving

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--typo"], "there is no flag --typo"),
        (["--once", "--bin", "/nowhere", "extra"], "there is no flag extra"),
        (["--rate", "fast"], "--rate needs a number such as 5, not 'fast'"),
        (["--once", "--rate"], "--rate needs a value"),
    ],
)
def test_wrong_flags_are_refused_before_the_setup(tmp_path: Path, flags: list[str], said: str) -> None:
    deploy = tmp_path / "deploy"
    deploy.mkdir()
    (deploy / "demo").write_bytes((ROOT / "deploy" / "demo").read_bytes())
    (deploy / "setup").write_text("#!/bin/sh\ntouch setup-ran\n")
    (deploy / "setup").chmod(0o755)
    done = subprocess.run(["bash", deploy / "demo", *flags], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == f"deploy/demo: {said}; see deploy/demo --help\n"
    assert done.stdout == ""
    assert not (tmp_path / "setup-ran").exists()


# In place of the host: it finds its first port taken though nobody listens there any more, as after a race.
PROGRAM = """\
#!/bin/sh
if [ "$1" = serve ]; then
  echo "$OUTBOARD_DEMO_PORT" >> ports
  if [ "$(wc -l < ports)" = 1 ]; then
    echo "cannot serve HTTP: port $OUTBOARD_DEMO_PORT at 127.0.0.1 is taken by another program" >&2
    exit 1
  fi
  echo "{\\"pid\\": $$}" > status
  exec sleep 60
fi
[ -f status ] || exit 3
cat status
"""


def test_a_port_that_is_taken_in_between_leads_to_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for program in ("outboard", "outboard-launcher", "outboard-audit"):
        (tmp_path / program).write_text(PROGRAM)
        (tmp_path / program).chmod(0o755)
    host = serving.Host(tmp_path, tmp_path)
    try:
        host.start(lambda: False)
        first, second = (int(line) for line in (tmp_path / "ports").read_text().split())
        assert first < second == host.port
        assert host.running()
    finally:
        host.drain()
        host.wait()


def test_a_taken_port_is_passed_over() -> None:
    with socket.socket() as taken:
        first = serving.free_port()
        taken.bind(("127.0.0.1", first))
        taken.listen()
        assert serving.free_port() > first
