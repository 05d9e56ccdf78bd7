"""Probabilistic linear discriminant analysis of the embeddings, for VBx."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

Array = npt.NDArray[np.float64]

LDA_DIMENSION = 64
_FLOOR = 1e-2  # of the mean variance, added to every within-speaker variance


def _unit(vectors: Array) -> Array:
    """Vectors of length sqrt(dimension), as the x-vector recipes of Kaldi scale them."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Array = np.sqrt(vectors.shape[1]) * vectors / lengths
    return scaled


def _covariances(vectors: Array, classes: npt.NDArray[np.int64]) -> tuple[Array, Array]:
    """Within-speaker and between-speaker covariance."""
    _, index = np.unique(classes, return_inverse=True)
    counts = np.bincount(index)
    sums = np.zeros((len(counts), vectors.shape[1]))
    np.add.at(sums, index, vectors)
    means = sums / counts[:, None]
    rest = vectors - means[index]
    within = rest.T @ rest / (len(vectors) - len(counts))
    size = len(within)
    within += _FLOOR * np.trace(within) / size * np.eye(size)
    centred = means - vectors.mean(0)
    between = centred.T @ (centred * counts[:, None]) / len(vectors)
    between += _FLOOR * np.trace(between) / size * np.eye(size)
    return within, between


def fit_lda(vectors: Array, classes: npt.NDArray[np.int64], dimension: int) -> tuple[Array, Array]:
    """Linear discriminant analysis.

    Args:
        vectors: (count, size).
        classes: The speaker of each.
        dimension: Of the result; smaller than the number of speakers.

    Returns:
        Matrix (size, dimension) and offset (dimension,): ``vectors @ matrix + offset`` has mean 0
        and, within a speaker, uncorrelated components of variance 1.
    """
    within, between = _covariances(vectors, classes)
    size = len(within)
    _, directions = eigh(between, within, subset_by_index=[size - dimension, size - 1])
    matrix = np.ascontiguousarray(directions[:, ::-1])
    return matrix, -vectors.mean(0) @ matrix


def fit_plda(vectors: Array, classes: npt.NDArray[np.int64]) -> dict[str, Array]:
    """Fit what ``pyannote.audio.utils.vbx.vbx_setup`` reads.

    Embeddings are centred (mean1) and scaled to a fixed length, projected on the directions that
    tell speakers apart (lda), centred (mean2) and scaled again; then mu and tr make the
    within-speaker covariance the unit matrix and the between-speaker one diagonal (psi).

    Args:
        vectors: (count, dimension) embeddings.
        classes: The speaker of each.

    Returns:
        The arrays mean1, mean2, lda, mu, tr and psi.
    """
    mean1 = vectors.mean(0)
    scaled = _unit(vectors - mean1)
    lda, _ = fit_lda(scaled, classes, LDA_DIMENSION)
    projected = scaled @ lda
    mean2 = projected.mean(0)
    latent = _unit(projected - mean2)
    within, between = _covariances(latent, classes)
    psi, basis = eigh(between, within)
    return {
        "mean1": mean1,
        "mean2": mean2,
        "lda": lda,
        "mu": latent.mean(0),
        "tr": basis[:, ::-1].T,
        "psi": psi[::-1],
    }
