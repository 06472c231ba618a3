"""What people do to a host while it works: reloads, paused lanes, dead letters given back; and what its disk does.

Each may be struck meanwhile by something of `faults.py`, which then is why it counts.
"""

from __future__ import annotations

import copy
import json
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults import Faults
from load import make_event
from observed import PATIENCE, ObservedHost, stopped
from running_host import BIN, RunningHost, wait_for

# After these nothing is handled again.
HARMLESS = {"new version", "a route comes or goes", "bad config", "SIGSTOP of a plugin"}
VISITOR = {"name": "visitor", "source": {"service": "visitor"}, "to": ["faulty"]}
VISITS = 20  # At a time.

Strike = Callable[[], bool]


class Disk:
    """Of the data folder of a host that is started by `wrapper`."""

    def __init__(self, data: Path) -> None:
        self._full = data.with_name(data.name + ".full")
        self.wrapper = ["env", f"LD_PRELOAD={BIN / 'outboard-full-disk.so'}", f"OUTBOARD_TEST_DISK={data}"]

    def fill(self) -> None:
        self._full.touch()

    def make_room(self) -> None:
        self._full.unlink(missing_ok=True)


class Operations:
    """On a host with workers `faulty` and `orderly`, a stage `stager` and a producer `file`."""

    def __init__(self, observed: ObservedHost, faults: Faults[Any], chance: random.Random, strikes: list[Strike],
                 plugins: list[dict[str, Any]], routes: list[dict[str, Any]]) -> None:
        self._observed = observed
        self._host: RunningHost = observed.host
        self._faults = faults
        self._chance = chance
        self._strikes = strikes
        self._plugins = {plugin["name"]: plugin for plugin in plugins}
        self._routes = routes
        self._version = 1
        self._visited = False
        self.visits: list[str] = []  # Confirmed while the route was in force.
        self.kinds: dict[str, Callable[[], bool]] = {
            "new version": self.bring_new_version,
            "new version, and a kill in it": self.bring_new_version_and_strike,
            "a route comes or goes": self.toggle_route,
            "bad config": self.try_bad_config,
            "SIGSTOP of a plugin": self.stop_plugin,
            "lane paused, perhaps with a kill": self.pause_lane,
            "dead letters replayed, and a kill": self.replay_and_strike,
        }

    def _sleep(self, most: float) -> None:
        time.sleep(self._chance.uniform(0, most))

    def _start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen([BIN / "outboard", *words, "--socket", self._host.socket], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    # ---- Reloads ----

    def _write(self) -> None:
        routes = self._routes + ([VISITOR] if self._visited else [])
        self._host.write_config(plugins=list(self._plugins.values()), routes=routes)

    def _change_a_plugin(self) -> list[str]:
        """The words for `reload` that bring it."""
        name = self._chance.choice(list(self._plugins))
        plugin = self._plugins[name] = copy.deepcopy(self._plugins[name])
        self._version += 1
        if name == "file":  # Its program was changed in its place.
            return ["reload", "--replace", name]
        if name == "stager":  # It takes no notice of that.
            plugin["run"][3:] = [str(self._version)]
        else:
            flags: list[str] = plugin["run"]
            at = flags.index("--version-name") if "--version-name" in flags else len(flags)
            flags[at:] = ["--version-name", str(self._version)]
        if name == "faulty":
            plugin["instances"] = self._chance.choice([1, 2, 3])
        return ["reload"]

    def bring_new_version(self) -> bool:
        counts = bool(self._faults.busy())
        words = self._change_a_plugin()
        self._write()
        self._host.command(*words)
        return counts

    def bring_new_version_and_strike(self) -> bool:
        words = self._change_a_plugin()
        self._write()
        with self._start(*words) as reload:
            self._sleep(0.5)
            counts = self._chance.choice(self._strikes)()
            said = reload.communicate(timeout=PATIENCE)[0]
        # It may have failed for what struck it: then all is as it was, and the next one does it.
        if reload.returncode != 0:
            wait_for(f"the reload goes well at last; first: {said}",
                     lambda: self._host.command(*words, check=False).returncode == 0, PATIENCE)
        return counts

    def toggle_route(self) -> bool:
        counts = bool(self._faults.busy())
        self._visited = not self._visited
        self._write()
        self._host.command("reload")
        if self._visited:
            self.visit()
        return counts

    def visit(self) -> None:
        at = len(self.visits)
        events = [make_event(f"v{n}", "visitor", f"key/{n}") for n in range(at, at + VISITS)]
        while events:
            results = self._observed.publish(events)
            events = [e for e, r in zip(events, results, strict=True) if not r.confirmed] if results else events
        self.visits += [f"v{n}" for n in range(at, at + VISITS)]

    def end(self) -> None:
        """The route is there for good, so that all that was published for it is handled."""
        if not self._visited:
            self.toggle_route()

    def _what_runs(self) -> tuple[list[str], dict[str, str]]:
        """Lanes, and plugins with their versions, which are not known of those that have yet to start."""
        status = self._observed.status()
        assert status is not None
        return [lane.name for lane in status.lanes], {plugin.name: plugin.version for plugin in status.plugins}

    def try_bad_config(self) -> bool:
        counts = bool(self._faults.busy())
        lanes, versions = self._what_runs()
        bad = copy.deepcopy(self._plugins["faulty"])
        bad["run"] += ["--at-start", "exit:3"]
        sections, code = self._chance.choice([
            ({"routes": [*self._routes, {**VISITOR, "to": ["nobody"]}]}, 2),
            ({"routes": [*self._routes, {**VISITOR, "sorce": {}}]}, 2),
            ({"plugins": [*(p for p in self._plugins.values() if p["name"] != "faulty"), bad]}, 1)])
        self._host.write_config(**sections)
        done = self._host.command("reload", check=False)
        assert done.returncode == code, done.stdout + done.stderr
        lanes_now, versions_now = self._what_runs()
        assert lanes_now == lanes
        assert versions_now.keys() == versions.keys()
        assert all(version in ("", versions[name]) or not versions[name] for name, version in versions_now.items())
        self._write()
        return counts

    # ---- Plugins, lanes, dead letters ----

    def stop_plugin(self) -> bool:
        """For a while; for much less than its time limit."""
        if not self._faults.busy():
            return False
        pids = [pid for pid, count in self._observed.in_flight().items() if count]
        if not pids:
            return False
        pid = self._chance.choice(pids)
        with stopped(pid):
            counts = self._observed.in_flight().get(pid, 0) > 0
            self._sleep(2)
        return counts

    def pause_lane(self) -> bool:
        """It stays paused, whatever strikes meanwhile."""
        counts = bool(self._faults.busy())
        lane = self._chance.choice(["all/faulty", "orderly/orderly", "staged/file"])
        self._host.command("lane", "pause", lane)
        if self._chance.random() < 0.5:
            counts = self._chance.choice(self._strikes)()
        else:
            self._sleep(1)
        wait_for(f"{lane} is paused", lambda: self._host.lane(lane)["state"] == "stopped", PATIENCE)
        self._host.command("lane", "resume", lane)
        return counts

    def replay_and_strike(self) -> bool:
        """Those that were rejected, which they will be again."""
        listed = json.loads(self._host.command("dead", "list", "--json", "--limit", "1000").stdout)
        lanes = {letter["lane"] for letter in listed.get("letters", []) if letter["reason"] in ("FAULTY", "ASKED")}
        if not lanes:
            return False
        lane = self._chance.choice(sorted(lanes))
        reason = "ASKED" if lane == "staged/file" else "FAULTY"
        with self._start("dead", "replay", "--lane", lane, "--reason", reason) as replay:
            self._sleep(0.1)
            counts = self._chance.choice(self._strikes)()
            replay.communicate(timeout=PATIENCE)
        return counts

    # ---- The disk ----

    def fill(self, disk: Disk) -> bool:
        """Until it is told and a while longer; and perhaps a plugin or the host is killed on it."""
        if not self._faults.busy():
            return False
        disk.fill()
        wait_for("the host says that the disk is full", lambda: self._observed.connected() is False, PATIENCE)
        self._sleep(1)
        strike = self._chance.choice(["", "plugin", "host"])
        if strike == "plugin":
            self._faults.kill_plugin()
        elif strike == "host":
            self._observed.kill()
        disk.make_room()
        if strike == "host":
            self._observed.start()
        wait_for("the host goes on", lambda: self._observed.says(True), PATIENCE)
        return True
