"""Compiled kernels: sequential loops over columns, at the speed of C, with the semantics of the Python text.

A fold that visits records one after another is the definition of our results (docs/adr/0002), so it is written as such a
loop and compiled with numba: no second, vectorised formulation exists that could differ. Rules for a kernel:

- arguments are arrays and integers, or a NamedTuple of arrays; no Python objects;
- arrays that may run full are checked inside: the kernel stops at a record boundary, says so in its return value, the
  caller enlarges the array and calls again from there;
- what a kernel calls for each record is marked `inner`: it is copied into its caller, because a real call with tuples of
  arrays costs some 30 ns a level (measured), fifteen times the work itself;
- no slices and nothing else that makes an array: kernels run without numba's reference counting, which costs more than
  the work (400 against 60 ns a message in the gate, measured);
- no fast-math: every float operation is one IEEE 754 operation in the order of the text.

Setting NUMBA_DISABLE_JIT=1 runs the same text uncompiled.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
from numba.core.caching import UserProvidedCacheLocator

F = TypeVar("F", bound=Callable[..., Any])

I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
F64 = npt.NDArray[np.float64]
B1 = npt.NDArray[np.bool_]

NEG: Final = -(1 << 62)  # before every instant; leaves room to subtract any duration
POS: Final = 1 << 62  # after every instant


_IMPORT = re.compile(rb"^[ ]*from streams\.?([\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)


def sources(root: Path, file: Path) -> dict[str, bytes]:
    """What the machine code of a file's kernels is made of: the file, and whatever it imports of the package in `root`, since a
    callee or a constant of another file becomes a part of the code."""
    found, ahead = dict[str, bytes](), [file.relative_to(root).as_posix()]
    while ahead:
        name = ahead.pop()
        if name in found or not (root / name).is_file():
            continue
        found[name] = (root / name).read_bytes()
        for module, names in _IMPORT.findall(found[name]):
            folder = module.decode().replace(".", "/")
            ones = [one.split()[0] for one in names.decode().strip("()").split(",") if one.strip()]
            ahead += [f"{folder}.py", *(f"{folder}/{one}.py".lstrip("/") for one in ones)]
    return found


@lru_cache
def _folder_of(file: str) -> Path:
    """Where machine code of a file is kept between runs: by content, since numba does not see that a callee elsewhere changed."""
    root, digest = Path(__file__).parent, hashlib.sha256()
    for name, text in sorted(sources(root, Path(file)).items()) if Path(file).is_relative_to(root) else [(file, Path(file).read_bytes())]:
        digest.update(b"%s %d " % (name.encode(), len(text)) + text)
    return _cache_folder() / f"{Path(file).stem}-{digest.hexdigest()[:16]}"


def _cache_folder() -> Path:
    home = os.environ.get("ANDON_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "andon"
    return Path(home) / "kernels"


class CacheLocator(UserProvidedCacheLocator):
    """Tells numba that the same sources are the same code wherever they lie: a fresh clone compiles nothing again."""

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        super().__init__(function, file)  # type: ignore[no-untyped-call]  # numba
        self._cache_path = str(_folder_of(file))

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> CacheLocator:
        found: CacheLocator | None = super().from_function(function, file)  # type: ignore[no-untyped-call]  # numba
        if found is None:
            raise OSError(f"{_cache_folder()} must be writable, machine code is kept there; or set ANDON_CACHE to another folder")
        return found

    def get_source_stamp(self) -> str:
        return ""  # the folder's name says it


# numba makes its settings while it is imported, unseen by types
numba.config.CACHE_DIR = str(_cache_folder())  # type: ignore[attr-defined]
numba.config.CACHE_LOCATOR_CLASSES = f"{__name__}.{CacheLocator.__name__}"  # type: ignore[attr-defined]

# error_model: no check for a zero divisor at every division; divisors are checked where they enter, as configuration.
_OPTIONS: Final[dict[str, Any]] = {"cache": True, "nogil": True, "_nrt": False, "error_model": "numpy"}

# In machine code an integer is an np.int64; for the types it is the int that a caller in Python gets and may give.
int64: Final = cast("Callable[[Any], int]", np.int64)


def kernel(function: F) -> F:
    """Compile `function` on first use; the machine code is cached, the interpreter lock is free while it runs."""
    return cast(F, numba.njit(**_OPTIONS)(function))


def inner(function: F) -> F:
    """A part of kernels: copied into each of them. Callable by itself, for tests."""
    return cast(F, numba.njit(**_OPTIONS, inline="always")(function))


def grown(array: npt.NDArray[Any], rows: int, fill: int | float | None = None) -> npt.NDArray[Any]:
    """The array with room for at least `rows` rows, new ones filled; the same array where there is room already.

    Capacity doubles, so that appending costs a constant time a row.

    >>> grown(np.array([1, 2]), 3, fill=0).tolist()
    [1, 2, 0, 0]
    """
    if rows <= array.shape[0]:
        return array
    capacity = max(rows, 2 * array.shape[0])
    larger = np.empty((capacity, *array.shape[1:]), array.dtype)
    larger[: array.shape[0]] = array
    if fill is not None:
        larger[array.shape[0] :] = fill
    return larger
