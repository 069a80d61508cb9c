"""Matrices of vectors, as the clients send and receive them."""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]  # shape (n, dimension), one vector a row
Mask = NDArray[np.bool_]  # shape (n,), True for the rows that a filter lets through


def unit(vectors: Matrix) -> Matrix:
    """Return the vectors scaled to length 1; a zero vector stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Matrix = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return scaled
