"""tests/lint/clang picks the sources that a check is about."""

import importlib.machinery
import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

FILES = {
    "host/base/mutex.h": "",
    "host/a/locked.h": '#include "host/base/mutex.h"\n',
    "host/a/locked.cc": '#include "host/a/locked.h"\n',
    "host/a/free.cc": '#include <mutex>\n#include "host/a/free.h"\n',
    "host/a/free.h": '#include "host/a/free.h"\n',
}


@pytest.fixture
def clang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("lint_clang", str(Path(__file__).parent / "clang"))
    spec = importlib.util.spec_from_loader("lint_clang", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.delenv("OUTBOARD_BASE", raising=False)
    for path, text in FILES.items():
        write(tmp_path, path, text)
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path)
    return module


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *words], cwd=root, check=True)


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-qm", "state")


def sources() -> list[str]:
    return [path for path in FILES if path.endswith(".cc")]


def test_a_lock_is_seen_through_headers(clang: ModuleType) -> None:
    assert [s for s in sources() if clang.reaches(s, clang.MUTEX, set())] == ["host/a/locked.cc"]


def test_on_main_the_last_commit_is_checked(clang: ModuleType, tmp_path: Path) -> None:
    git(tmp_path, "update-ref", "refs/remotes/origin/main", "HEAD")
    write(tmp_path, "host/a/free.cc", "int x;\n")
    commit(tmp_path)
    git(tmp_path, "update-ref", "refs/remotes/origin/main", "HEAD")
    assert clang.changed(sources()) == ["host/a/free.cc"]


def test_a_branch_is_checked_from_where_it_left_main(clang: ModuleType, tmp_path: Path) -> None:
    git(tmp_path, "update-ref", "refs/remotes/origin/main", "HEAD")
    write(tmp_path, "host/a/free.cc", "int x;\n")
    commit(tmp_path)
    write(tmp_path, "host/a/locked.h", "int y;\n")  # a header is seen through its source
    commit(tmp_path)
    assert clang.changed(sources()) == ["host/a/free.cc", "host/a/locked.cc"]


def test_without_an_earlier_commit_it_says_so(clang: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert clang.changed(sources()) == []
    assert "tidy: nothing compared" in capsys.readouterr().out
