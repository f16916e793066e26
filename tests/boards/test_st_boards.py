"""ST's boards as data, and what a name means."""

import re

import pytest

from pyaed.boards import boards, find_board, find_st_board, st_boards
from pyaed.errors import UserError


def test_every_board_of_the_zoos_table_has_its_figures(shared):
    """The B-U585I-IOT02A's RAM apart, of which 768 KiB are contiguous."""
    text = (shared / "reference/st_boards.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")][2:]
    assert len(rows) == 8

    def size(cell):
        number = re.match(r"\d+", cell)
        return int(number[0]) << (20 if cell.endswith("MB") else 10) if number else 0

    for name, core, clock, ram, external_ram, flash, external_flash in rows:
        board = find_st_board(name.lower())
        assert board.name == name
        assert board.core == re.search(r"Cortex-M\d+", core)[0]
        assert board.clock_hz == int(clock.split()[0]) * 10**6
        assert (board.flash, board.external_flash, board.external_ram) == (
            size(flash),
            size(external_flash),
            size(external_ram),
        )
        assert board.ram == (768 << 10 if name == "B-U585I-IOT02A" else size(ram))
    for name in re.search(r"adds ([\w-]+) and ([\w-]+)", text).groups():
        assert name in st_boards()


def test_every_board_says_where_its_figures_are_from():
    for board in st_boards().values():
        assert board.source
        assert board.series == f"stm32{board.series[5:]}"
        assert 96e6 <= board.clock_hz <= 800e6
        assert board.ram >= 128 << 10


def test_our_own_boards_are_the_same_ones_there():
    own = boards()["b_u585i_iot02a"]
    assert find_st_board("b_u585i_iot02a") == find_st_board("B-U585I-IOT02A") == find_st_board("mps2_an505")
    assert (own.flash, own.ram) == (find_st_board("b_u585i_iot02a").flash, find_st_board("b_u585i_iot02a").ram)


@pytest.mark.parametrize(
    ("name", "meant"), [("stm32h747-disco", "stm32h747i-disco"), ("b_u585i_iot02", "b_u585i_iot02a")]
)
def test_the_nearest_of_both_kinds_is_named(name, meant):
    with pytest.raises(
        UserError,
        match=rf"x: board '{name}' is not known; boards: .*mps2_an505.*; of ST's, for a benchmark: .*NUCLEO-G474RE.*'{meant}'\?",
    ):
        find_st_board(name, "x")


def test_a_board_without_an_image_is_no_misspelling():
    with pytest.raises(
        UserError,
        match=r"deployment.x: board 'STM32H747I-disco' is one of ST's that pyaed has no image for.*boards with an image: .*mps2_an505",
    ):
        find_board("STM32H747I-disco", "deployment.x")
