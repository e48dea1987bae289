"""Removing what a program left behind: no link is followed, and no mode keeps it from going."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archon.sandbox.remove import remove


@pytest.mark.parametrize("depth", [1, pytest.param(1200, marks=pytest.mark.slow)])
def test_removing_follows_no_link_and_minds_no_mode(tmp_path: Path, depth: int) -> None:
    outside, top = tmp_path / "outside", tmp_path / "top"
    outside.mkdir()
    (outside / "witness").write_text("unchanged")
    top.mkdir()
    (top / "link").symlink_to(outside)
    home = os.open(".", os.O_RDONLY)
    try:
        os.chdir(top)
        for _ in range(depth):
            Path("more").symlink_to(outside)
            Path("d").mkdir()
            os.chdir("d")
    finally:
        os.fchdir(home)
        os.close(home)
    (top / "d").chmod(0)
    top.chmod(0)
    remove(str(top))
    assert not top.exists()
    assert (outside / "witness").read_text() == "unchanged"
