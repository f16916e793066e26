"""A board is its folder: what board.toml says is read strictly, and a new folder is a new board."""

import shutil

import pytest
from support import images

from pyaed import deploy
from pyaed.boards import boards, check_rate, emulated_board, find_board
from pyaed.boards.emulator import Emulator
from pyaed.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of PYAED_BOARDS with the emulated board's files under another name."""
    path = tmp_path / "own boards" / "my_board"
    shutil.copytree(find_board("mps2_an505").folder, path)
    monkeypatch.setenv("PYAED_BOARDS", str(path.parent))
    return path


def change(folder, name, old, new):
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


def test_spellings():
    assert find_board("b-u585i-iot02a").name == find_board("B_U585I_IOT02A").name == "b_u585i_iot02a"
    assert emulated_board(find_board("B-U585I-IOT02A")).name == "mps2_an505"
    assert emulated_board(find_board("mps2_an505")).name == "mps2_an505"
    with pytest.raises(UserError, match=r"board 'b_u585' is not known; boards: .*b_u585i_iot02a"):
        find_board("b_u585")


def test_a_rate_that_the_microphone_does_not_have():
    for rate in (16000, 32000, 48000):
        check_rate(find_board("b_u585i_iot02a"), rate)
    check_rate(find_board("mps2_an505"), 22050)
    with pytest.raises(
        UserError, match=r"target_rate is 22050 Hz.*b_u585i_iot02a gives 16000, 32000, 48000.*16000 is the nearest"
    ):
        check_rate(find_board("b_u585i_iot02a"), 22050)


def test_a_new_folder_is_a_new_board(folder):
    change(folder, "board.toml", 'core = "cortex-m33"', 'core = "cortex-m33"\naliases = ["My Board"]')
    change(folder, "board.c", '"mps2_an505"', '"my_board"')
    board = find_board("MY BOARD")
    assert (board.name, board.folder) == ("my_board", folder)
    image = deploy.build_image(images.copied_sources("own_board"), "my board")
    assert image.elf.parent.name == "my_board"
    with Emulator(image.elf, "my_board") as emulator, emulator.connect() as device:
        assert device.identify().board == "my_board"


def test_linker_script_and_description_have_to_agree(folder):
    change(folder, "link.ld", "LENGTH = 768K", "LENGTH = 640K")
    with pytest.raises(UserError, match=r"link\.ld: RAM is 0xa0000 bytes at 0x38000000, but board\.toml says 0xc0000"):
        deploy.build_image(images.copied_sources("own_memory"), "my_board")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('core = "cortex-m33"', "", r"board\.toml: core: Field required"),
        ('core = "cortex-m33"', 'cores = "cortex-m33"\ncore = "cortex-m33"', r"board\.toml: cores: Extra inputs"),
        ("ram_length = 0xC0000", 'ram_length = "768K"', r"memory\.ram_length: Input should be a valid integer"),
        ("ram_length = 0xC0000", "ram_length = 0", r"memory\.ram_length: Input should be greater than 0"),
        ("[memory]", "[memory", r"board\.toml: Expected"),
        ('core = "cortex-m33"', 'core = "cortex-m33"\nname = "other"', r"board\.toml: .*name"),
    ],
)
def test_descriptions_are_read_strictly(folder, old, new, message):
    change(folder, "board.toml", old, new)
    with pytest.raises(UserError, match=message):
        boards()


def test_an_unknown_core_ends_the_build(folder):
    change(folder, "board.toml", 'core = "cortex-m33"', 'core = "cortex-m99"')
    with pytest.raises(UserError, match=r"AED_CORE is 'cortex-m99'"):
        deploy.build_image(images.copied_sources("own_core"), "my_board")


def test_a_board_without_an_emulator(folder):
    text = (folder / "board.toml").read_text()
    (folder / "board.toml").write_text(text.partition("[emulator]")[0])
    with pytest.raises(UserError, match="board 'my_board' can't be emulated; boards that can: mps2_an505"):
        emulated_board(find_board("my_board"))


def test_a_wrong_folder_of_boards(tmp_path, monkeypatch):
    monkeypatch.setenv("PYAED_BOARDS", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"PYAED_BOARDS: .*none is not a folder"):
        boards()
