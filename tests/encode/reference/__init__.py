"""What other libraries make of the same media."""

from pathlib import Path

import numpy as np


def imagebind_reference(name: str) -> np.ndarray:
    """An array of `imagebind.npz`; `make.py` says how each was made."""
    with np.load(Path(__file__).with_name("imagebind.npz")) as arrays:
        return np.asarray(arrays[name])
