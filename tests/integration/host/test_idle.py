"""Plugins with nothing to do: once a minute the host asks for a sign of life."""

from __future__ import annotations

import os
import shutil
import signal
import textwrap
from pathlib import Path
from typing import Any

from running_host import BIN, PYTHON, ROOT, RunningHost, events, faulty, wait_for

NODE = ROOT / "plugins" / "examples" / "node"

PYTHON_WORKER = """\
    import outboard

    app = outboard.Plugin("idle", version="1.0")

    @app.worker
    def work(event):
        pass

    outboard.serve(app)
    """


def test_a_stopped_idle_instance_is_replaced_and_those_that_answer_are_not(tmp_path: Path) -> None:
    """`stopped` has no health service, which counts as serving; the SDKs have one; Node answers that it has none."""
    program = tmp_path / "idle.py"
    program.write_text(textwrap.dedent(PYTHON_WORKER))
    plugins: list[dict[str, Any]] = [
        faulty(name="stopped", time_limit="1s"),
        faulty(name="plain"),
        {"name": "python", "run": [str(PYTHON), str(program)]},
        {"name": "cpp", "run": [str(BIN / "outboard-audit")], "config": {"path": str(tmp_path / "audit.jsonl")}},
    ]
    if shutil.which("node") is not None and (NODE / "node_modules").is_dir():
        plugins.append({"name": "node", "run": ["node", str(NODE / "index.js")]})
    names = [str(plugin["name"]) for plugin in plugins]
    route = {"name": "r", "source": {"service": "storyboard"}, "to": names}
    with RunningHost(tmp_path, plugins=plugins, routes=[route]) as host:
        wait_for("all are ready", lambda: {lane["state"] for lane in host.status()["lanes"]} == {"running"})
        pid = host.pids("stopped")[0]
        os.kill(pid, signal.SIGSTOP)
        wait_for("it is replaced", lambda: host.pids("stopped") not in ([], [pid]), 120)
        log = host.log_text()
        assert log.count("an idle instance is stuck") == 1, log
        assert "no sign of life: no answer to grpc.health.v1 within the time limit" in log
        assert "suspects" not in log
        host.publish(list(events(100)))
        for name in names:
            host.wait_idle(f"r/{name}")
        restarts = {name: int(host.plugin(name).get("restarts", 0)) for name in names}
        assert restarts == {**dict.fromkeys(names, 0), "stopped": 1}
        assert host.dead() == []
        assert host.stop() == 0
    assert not Path(f"/proc/{pid}").exists()
