"""Modules in two processes, as `accelerate launch` starts them on two devices."""

import os
import subprocess
import sys

from tests.conftest import ROOT


def in_two_processes(module: str, *words: object, timeout: float) -> str:
    """Runs a module twice, side by side, and returns what both said of themselves. Fails if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", module, *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr
