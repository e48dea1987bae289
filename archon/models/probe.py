"""Learn what an endpoint really does, by asking it small questions once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from platformdirs import user_cache_path

from archon.models.base import Capabilities


def _cache_file(base_url: str, model: str) -> Path:
    digest = hashlib.blake2b(f"{base_url.rstrip('/')} {model}".encode(), digest_size=12).hexdigest()
    return user_cache_path("archon") / "probes" / f"{digest}.json"


def known_capabilities(base_url: str, model: str) -> Capabilities | None:
    """What an earlier probe of this endpoint and model found, if there was one."""
    try:
        return Capabilities(**json.loads(_cache_file(base_url, model).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def remember_capabilities(base_url: str, model: str, capabilities: Capabilities) -> None:
    """Keep what a probe found for later runs."""
    file = _cache_file(base_url, model)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(capabilities)))
