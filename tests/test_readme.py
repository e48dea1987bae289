"""Every command and every listing of the README is run as it is written, on a real model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from archon import ConfigError
from archon.models.weights import locate

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]
pytest.importorskip("xllamacpp")

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^(?:`(?P<file>[\w.]+)`:\n\n)?```(?P<language>\w+)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)
SETTING_UP = ("make ", "python3 -m venv", "pip install")


def test_the_readme_is_true(tmp_path: Path) -> None:
    try:
        locate("qwen2.5-coder-0.5b")
    except ConfigError as missing:
        pytest.skip(str(missing))
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    # The weights are taken from the user's cache; everything else stays here.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ran = 0
    for block in BLOCK.finditer((ROOT / "README.md").read_text(encoding="utf-8")):
        text = block["text"]
        if block["file"]:
            (tmp_path / block["file"]).write_text(text, encoding="utf-8")
            continue
        if block["language"] == "sh":
            kept = [line for line in text.splitlines() if not line.startswith(SETTING_UP)]
            command = ["bash", "-euo", "pipefail", "-c", "\n".join(kept)]
        else:
            assert block["language"] == "python", "a listing that is neither run nor named"
            command = [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        ran += 1
    assert ran >= 5
