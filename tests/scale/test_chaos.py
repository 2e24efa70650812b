"""The short form of ``scripts/chaos``: nodes that are harmed a few times have lost nothing at any door."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from chaos.__main__ import main
from chaos.harms import find_libfaketime
from chaos.history import Visit
from chaos.trial import WITNESS
from chaos.verdict import Kind
from tests import services

IS_LONG = bool(os.environ.get("PARLEY_TEST_LONG"))
HARMS = ("kill", "cut", "drain", *(("stall", "slow", "disk", "clock") if IS_LONG else ()))
CYCLES = 20 if IS_LONG else 3
CLIENTS = 10


def trial(tmp_path: Path, *words: str) -> list[dict[str, Any]]:
    """Harm nodes as the words say, and return what was counted; the command itself fails at any fault."""
    main([*words, "--clients", str(CLIENTS), "--save", str(tmp_path)])
    counted: list[dict[str, Any]] = json.loads((tmp_path / "chaos.json").read_text())
    return counted


@pytest.mark.parametrize("harm", HARMS)
def test_nothing_is_lost(tmp_path: Path, harm: str) -> None:
    """Every client sees what it may see, once and in order, and what was acknowledged is stored."""
    if harm == "clock" and find_libfaketime() is None:
        services.missing("libfaketime (Debian: libfaketime)")
    (counted,) = trial(tmp_path, "--harm", harm, "--cycles", str(CYCLES))
    assert counted["cycles"] == CYCLES
    assert counted["submitted"] == counted["acknowledged"] > CYCLES
    assert counted["events"] > counted["acknowledged"]
    listening = CLIENTS + counted["stock_clients"]
    assert len(counted["recovery_seconds"]) == CYCLES * listening
    assert set(counted["faults"].values()) == {0}
    assert set(counted["faults"]) == set(Kind)


def test_a_loss_is_found_and_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With clients that overlook one message in ten, the command fails and names what was not seen."""
    seen = itertools.count()

    def see_most(visit: Visit, kind: str, payload: Any) -> None:
        if payload.get("author_id") == WITNESS or next(seen) % 10:
            see(visit, kind, payload)

    see = Visit.see
    monkeypatch.setattr(Visit, "see", see_most)
    with pytest.raises(SystemExit, match=r"cut \(seed 1\): lost: .* did not see \d+"):
        trial(tmp_path, "--harm", "cut", "--cycles", "1", "--seed", "1")
    (counted,) = json.loads((tmp_path / "chaos.json").read_text())
    assert counted["faults"]["lost"] > 0
