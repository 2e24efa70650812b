"""Figures of several servers are compared round by round."""

from __future__ import annotations

import pytest

from benchmarks import table

RATE = table.line("messages", "/s", "rate")
ROUNDS = [
    {"parley": {"rate": 200}, "node": {"rate": 100}},
    {"parley": {"rate": 90}, "node": {"rate": 30}},
    {"parley": {"rate": 500}, "node": {"rate": 500}},
]


def test_the_ratio_is_the_median_of_the_rounds_own() -> None:
    """A round in which the machine was slow says as much as any other."""
    assert table.median_ratio(RATE, "parley", "node", ROUNDS) == 2


@pytest.mark.parametrize("other", [0, None])
def test_nothing_is_divided_by_what_is_nothing_or_never_was(other: float | None) -> None:
    """Such a round has no ratio."""
    rounds = [{"parley": {"rate": 1}, "node": {"rate": other}}]
    assert table.median_ratio(RATE, "parley", "node", rounds) is None


def test_the_table_has_medians_their_spread_and_the_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each figure."""
    table.show([RATE], ROUNDS)
    _, heading, row = capsys.readouterr().out.splitlines()
    assert heading.split()[-3:] == ["parley", "node", "parley/node"]
    assert "200 (90.0 to 500)" in row
    assert row.split()[-1] == "2.00"


@pytest.mark.parametrize(
    ("value", "written"),
    [(12345.6, "12,346"), (45.67, "45.7"), (0.456, "0.46"), (0.0123, "0.012"), (-0.0001, "0.000")],
)
def test_numbers_have_the_figures_that_count(value: float, written: str) -> None:
    """Neither more decimals than anybody needs, nor less."""
    assert table.number(value) == written
