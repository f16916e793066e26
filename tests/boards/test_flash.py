"""Flashing: the command of each tool, the copy to the drive, and one clear message for everything that is missing."""

import stat

import pytest
from support import images

from pyaed.boards import find_board, flash
from pyaed.boards.flashing import TOOLS, to_binary
from pyaed.errors import UserError


@pytest.fixture(scope="module")
def elf():
    return images.chip_image().elf


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A PATH with nothing on it, and a function that puts a program there which notes its arguments."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(name: str, code: int = 0):
        path = folder / name
        path.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$0" "$@" > "{folder}/{name}.arguments"\necho "no probe"\nexit {code}\n'
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return folder / f"{name}.arguments"

    return add


COMMANDS = {
    "cubeprogrammer": "STM32_Programmer_CLI -c port=SWD mode=UR sn=0027 -w {elf} -v -rst",
    "openocd": "openocd -f interface/stlink.cfg -f target/stm32u5x.cfg -c 'adapter serial 0027' "
    "-c 'program {{{elf}}} verify reset exit'",
    "pyocd": "pyocd flash -t stm32u585aiix -u 0027 {elf}",
}


@pytest.mark.parametrize("method", TOOLS)
def test_commands(elf, tools, method):
    assert flash(elf, method, "0027", dry_run=True) == COMMANDS[method].format(elf=elf)
    with pytest.raises(UserError, match="is not installed"):
        flash(elf, method)
    noted = tools(TOOLS[method].program)
    flash(elf)  # found by itself
    assert str(elf) in noted.read_text()
    assert not {"-ob", "-e", "erase"} & set(noted.read_text().split())
    tools(TOOLS[method].program, code=3)
    with pytest.raises(UserError, match="failed with code 3: no probe"):
        flash(elf)


def test_copy_to_the_drive(elf, tools, tmp_path):
    roots = (str(tmp_path / "media"),)
    assert flash(elf, dry_run=True, roots=roots).startswith("STM32_Programmer_CLI -c port=SWD mode=UR -w")
    with pytest.raises(UserError, match="nothing here can flash a board"):
        flash(elf, roots=roots)
    with pytest.raises(UserError, match="DIS_U585AI is not mounted"):
        flash(elf, "copy", roots=roots)
    drive = tmp_path / "media" / "me" / "DIS_U585AI"
    drive.mkdir(parents=True)
    assert flash(elf, roots=roots, dry_run=True).endswith(str(drive / "pyaed.bin"))
    assert not list(drive.iterdir())
    flash(elf, roots=roots)
    data = (drive / "pyaed.bin").read_bytes()
    assert data == to_binary(elf, find_board("b_u585i_iot02a"))
    assert len(data) <= images.chip_image().flash + 64
    with pytest.raises(UserError, match="can't choose a probe"):
        flash(elf, "copy", "0027", roots=roots)


def test_wrong_images_and_methods(elf, tmp_path):
    with pytest.raises(UserError, match="no firmware image at"):
        flash(tmp_path / "none.elf")
    (tmp_path / "text.elf").write_text("hello")
    with pytest.raises(UserError, match="is no firmware image"):
        flash(tmp_path / "text.elf")
    with pytest.raises(UserError, match=r"is not linked for the flash of .*b_u585i_iot02a \(0x8000000\)"):
        flash(images.image().elf)
    with pytest.raises(UserError, match="did you mean 'openocd'"):
        flash(elf, "open-ocd")
    with pytest.raises(UserError, match="'mps2_an505' can't be flashed; boards that can: b_u585i_iot02a"):
        flash(elf, board="mps2_an505")
