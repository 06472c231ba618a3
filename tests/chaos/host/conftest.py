import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "integration" / "host"), str(TESTS / "broker")]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints where a run is read: what a suite with random choices did is of interest when it passes, too."""
    def tell(text: str) -> None:
        with capsys.disabled():
            print(text, flush=True)

    return tell
