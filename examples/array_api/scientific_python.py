"""Runs code of scikit-learn and SciPy, which know nothing of hal, on tensors of any device.

Both ask a tensor for the namespace of the Python Array API standard and calculate with what they
find there. Run it with ``python examples/array_api/scientific_python.py --device cpu:0``.
"""

from __future__ import annotations

import argparse
import os
import sys

# SciPy reads this once, when it is imported; scikit-learn insists on it.
os.environ["SCIPY_ARRAY_API"] = "1"

import hal

SAMPLES, FEATURES = 400, 6


def data(device: hal.Device) -> tuple[hal.Tensor, hal.Tensor]:
    """Return features that lie near a plane, and what is to be predicted from them."""
    grid = hal.reshape(hal.arange(SAMPLES * FEATURES, device=device), (SAMPLES, FEATURES))
    noise = hal.sin(hal.astype(grid, hal.float32) * 12.9898) * 3.0
    noise = noise - hal.round(noise)
    hidden = noise[:, :2] * hal.asarray([3.0, 1.0], device=device)
    mixing = hal.sin(hal.astype(grid[:2, :], hal.float32) + 1.0)
    features = hidden @ mixing + 0.01 * noise
    target = hidden @ hal.asarray([2.0, -1.0], device=device) + 0.5
    return features, target


def learn(x: hal.Tensor, y: hal.Tensor) -> tuple[hal.Tensor, float]:
    """Find the two main components of the features, and predict the target from them."""
    from sklearn import config_context
    from sklearn.decomposition import PCA
    from sklearn.linear_model import Ridge
    from sklearn.metrics import r2_score
    from sklearn.pipeline import make_pipeline

    with config_context(array_api_dispatch=True):
        pipeline = make_pipeline(
            PCA(n_components=2, svd_solver="full"), Ridge(alpha=1e-3, solver="svd")
        )
        pipeline.fit(x, y)
        explained = pipeline[0].explained_variance_ratio_
        return explained, float(r2_score(y, pipeline.predict(x)))


def describe(x: hal.Tensor) -> tuple[hal.Tensor, hal.Tensor]:
    """Return the skewness of each feature, and the logarithm of the sum of exponentials."""
    from scipy.special import logsumexp
    from scipy.stats import skew

    return skew(x, axis=0), logsumexp(x, axis=0)


def main(arguments: list[str] | None = None) -> int:
    """Print what was found, and where it was calculated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", help="such as cpu:0; the default device if left out")
    given = parser.parse_args(arguments)
    device = hal.device(given.device) if given.device else hal.default_device()
    hal.reset_report()
    with hal.default_device(device):
        x, y = data(device)
        explained, score = learn(x, y)
        skewness, sums = describe(x)
    for result in (explained, skewness, sums):
        assert isinstance(result, hal.Tensor)
        assert result.device is device
    print(f"scikit-learn: components explain {explained.tolist()}, R2 is {score:.4f}")
    print(f"SciPy: skewness {[round(v, 3) for v in skewness.tolist()]}")
    print(f"SciPy: logsumexp {[round(v, 3) for v in sums.tolist()]}")
    rows = [row for row in hal.report().rows if row.device == device.name]
    calls = {
        route: sum(row.calls for row in rows if row.route == route)
        for route in ("native", "decomposed", "host")
    }
    print(f"{device.name}: " + ", ".join(f"{n} calls {route}" for route, n in calls.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
