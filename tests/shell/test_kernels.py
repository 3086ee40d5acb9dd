"""What is compiled ahead is everything that a task calls, with the types with which it calls; machine code is kept by content."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import streams
from streams.kernel import sources
from streams.shell.kernels import compile_all, kernels, uncompiled
from tests.runners.plant import INPUTS, random_log
from tests.runners.test_state_and_epochs import live
from tests.runners.test_task_laws import random_plant

PACKAGE = Path(streams.__file__).parent


def called_beyond() -> list[str]:
    """Kernels that tasks with random inputs call with other types than those compiled ahead."""
    compile_all()
    before = {name: kernel.signatures for name, kernel in kernels().items()}
    for seed in range(20):
        random = Random(seed)
        live({t: random_log(t, random, 30) for t in INPUTS}, random, random_plant(random), snapshots=True)
    return sorted(name for name, kernel in kernels().items() if kernel.signatures != before[name])


def test_every_kernel_is_compiled_ahead() -> None:
    compile_all()
    assert uncompiled() == []


def test_a_task_calls_nothing_else() -> None:
    """In a process of its own: in this one, other tests may have called a kernel before."""
    code = "from tests.shell.test_kernels import called_beyond; print(called_beyond())"
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_compiled_already_is_not_compiled_again() -> None:
    compile_all()
    told: list[str] = []
    compile_all(told.append)
    assert told == []


def test_a_constant_of_another_file_is_part_of_the_machine_code(tmp_path: Path) -> None:
    """codec/plan.py holds no kernel, but its numbers stand in the code of codec/decode.py."""
    copy = shutil.copytree(PACKAGE, tmp_path / "streams", ignore=shutil.ignore_patterns("__pycache__"))
    decode, plan = Path("codec/decode.py"), copy / "codec" / "plan.py"
    assert sources(copy, copy / decode) == sources(PACKAGE, PACKAGE / decode)
    plan.write_text(plan.read_text().replace("OP_NULL, OP_BOOLEAN", "OP_BOOLEAN, OP_NULL"))
    assert sources(copy, copy / decode) != sources(PACKAGE, PACKAGE / decode)


def test_everything_that_a_file_imports_is_found_through_any_number_of_files() -> None:
    """As Python itself imports it."""
    code = "import sys; import streams.operators.window_kernel; print(*(m for m in sys.modules if m.startswith('streams.')))"
    imported = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True).stdout.split()
    files = {f"{m.removeprefix('streams.').replace('.', '/')}.py" for m in imported} | set()
    found = set(sources(PACKAGE, PACKAGE / "operators" / "window_kernel.py"))
    of_the_package = {"operators/__init__.py"}  # it imports every operator, none of which is a part of this one's code
    assert {"kernel.py", "operators/evidence.py", "time/pending.py", "time/gate.py"} <= found
    assert found <= files | of_the_package


def test_a_file_that_nothing_imports_changes_no_machine_code() -> None:
    assert "operators/state_intervals.py" not in sources(PACKAGE, PACKAGE / "operators" / "window_kernel.py")
