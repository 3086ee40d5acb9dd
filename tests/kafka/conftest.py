"""The same applications as the commands are tried with."""

from tests.shell.conftest import deployed

__all__ = ["deployed"]
