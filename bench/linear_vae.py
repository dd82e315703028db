"""Linear Poisson and rectified-Gaussian VAEs on image patches: closed-form objective, hand-written gradients.

Per row x[D], with decoder W[K, D] and encoder E[D, K]:

    Poisson   log lambda = c5(u + c10(x E)),  c_a(y) = a - softplus(a - y)
              mean = variance = lambda,  rate = sum_k lambda log(lambda / r) - lambda + r,  r = exp(u)
    relu      z ~ N(m, s^2), m = x E, s = exp(x Q), a = relu(z), alpha = m / s
              E a = m Phi + s phi,  E a^2 = m E a + s^2 Phi,  rate = sum_k (m^2 + s^2 - 1) / 2 - log s
    both      distortion = c (|x - mean W|^2 + sum_k variance_k |W_k|^2),  c = 1 / (2 sd^2)

The distortion leaves out the likelihood's constant (D / 2) log(2 pi sd^2). The fit minimises
distortion + beta * rate, per row. Arrays keep the type of the parameters: float32 to fit, float64 to check.

Run: python bench/linear_vae.py --data ../shared/data/kodak24_gray.npz --beta 1
"""

import argparse
import json
import time

import numpy as np
from scipy.special import expit, ndtr

BORDER = 4  # pixels lost to the filter's wrap-around


def whiten(image):
    """Filter a grey image by R(f) = f exp(-(f / 0.5)^4), f in cycles per pixel, and crop its border."""
    fy = np.fft.fftfreq(image.shape[0])[:, None]
    fx = np.fft.rfftfreq(image.shape[1])
    f = np.hypot(fy, fx)
    filtered = np.fft.irfft2(np.fft.rfft2(image) * f * np.exp(-((f / 0.5) ** 4)), image.shape)
    return filtered[BORDER:-BORDER, BORDER:-BORDER]


def make_patches(images, count, size, seed):
    """`count` square patches at random places in whitened images, each with mean 0 and sd 1: [count, size^2]."""
    rng = np.random.default_rng(seed)
    filtered = [whiten(np.asarray(image, float) / 255) for image in images]
    which = rng.integers(len(filtered), size=count)
    out = np.empty((count, size * size), np.float32)
    for row, i in zip(out, which):
        top, left = (rng.integers(side - size + 1) for side in filtered[i].shape)
        patch = filtered[i][top : top + size, left : left + size].ravel()
        row[:] = (patch - patch.mean()) / patch.std()
    return out


def start(model, inputs, units, log_rates, seed):
    """Random start: W and E are N(0, 0.05^2), u uniform, Q is N(0, 0.01^2)."""
    rng = np.random.default_rng(seed)
    params = {"E": rng.normal(0, 0.05, (inputs, units)), "W": rng.normal(0, 0.05, (units, inputs))}
    if model == "poisson":
        params["u"] = rng.uniform(*log_rates, units)
    else:
        params["Q"] = rng.normal(0, 0.01, (inputs, units))
    return {name: value.astype(np.float32) for name, value in params.items()}


def clamp(y, a):
    """Soft upper bound a - softplus(a - y), and its slope. `None` leaves y alone."""
    if a is None:
        return y, 1
    return a - np.logaddexp(0, a - y), expit(a - y)


def poisson_code(params, x, clamps):
    """Mean, variance, rate per unit, all [N, K], and the pullback of their gradients to the parameters."""
    u = params["u"]
    inner, inner_slope = clamp(x @ params["E"], clamps[1])
    log_mean, outer_slope = clamp(u + inner, clamps[0])
    mean, prior = np.exp(log_mean), np.exp(u)
    gap = log_mean - u
    rate = mean * gap - mean + prior

    def pullback(d_mean, d_variance, beta):
        into = (d_mean + d_variance + beta * gap) * mean * outer_slope
        u_direct = beta * (prior - mean)  # the prior's own share: d rate / d u at fixed lambda
        return {"u": (into + u_direct).sum(0), "E": x.T @ (into * inner_slope)}

    return mean, mean, rate, pullback


def relu_code(params, x, _clamps):
    """As `poisson_code`, for a = relu(z)."""
    m, log_s = x @ params["E"], x @ params["Q"]
    s = np.exp(log_s)
    alpha = m / s
    cdf, pdf = ndtr(alpha), np.exp(-0.5 * alpha * alpha) * m.dtype.type(1 / np.sqrt(2 * np.pi))
    mean = m * cdf + s * pdf
    variance = m * mean + s * s * cdf - mean * mean
    rate = 0.5 * (m * m + s * s - 1) - log_s

    def pullback(d_mean, d_variance, beta):
        into_m = d_mean * cdf + d_variance * 2 * mean * (1 - cdf) + beta * m
        into_s = d_mean * pdf + d_variance * 2 * (s * cdf - mean * pdf) + beta * (s - 1 / s)
        return {"E": x.T @ into_m, "Q": x.T @ (into_s * s)}

    return mean, variance, rate, pullback


def code(params, x, clamps):
    """The code of whichever model these are the parameters of."""
    return (poisson_code if "u" in params else relu_code)(params, x, clamps)


def loss_and_gradients(params, x, beta, sd, clamps):
    """Distortion + beta * rate per row, and its gradient for every parameter."""
    rows, w, c = len(x), params["W"], x.dtype.type(0.5 / sd**2)
    mean, variance, rate, pullback = code(params, x, clamps)
    residual = x - mean @ w
    power = np.sum(w * w, 1)
    loss = (c * (np.sum(residual * residual) + np.sum(variance @ power)) + beta * np.sum(rate)) / rows
    gradients = pullback(-2 * c * (residual @ w.T), c * power, beta)
    gradients["W"] = 2 * c * (variance.sum(0)[:, None] * w - mean.T @ residual)
    return loss, {name: g / rows for name, g in gradients.items()}


def train(patches, params, beta, steps, batch, lr, sd=np.sqrt(0.5), clamps=(5, 10), seed=0):
    """Adam(lr, 0.9, 0.999) on rows reshuffled each epoch; lr falls to 0 by a cosine, beta ramps over the first half."""
    rng = np.random.default_rng(seed)
    params = {name: value.copy() for name, value in params.items()}
    first = {name: np.zeros_like(value) for name, value in params.items()}
    second = {name: np.zeros_like(value) for name, value in params.items()}
    order = np.empty(0, int)
    for step in range(steps):
        if len(order) < batch:
            order = rng.permutation(len(patches))
        rows, order = order[:batch], order[batch:]
        now = 1e-4 + (beta - 1e-4) * min(1.0, 2 * step / steps)
        _, gradients = loss_and_gradients(params, patches[rows], now, sd, clamps)
        rate = lr * 0.5 * (1 + np.cos(np.pi * step / steps))
        for name, g in gradients.items():
            m, v = first[name], second[name]
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            params[name] -= (rate / (1 - 0.9 ** (step + 1))) * m / (np.sqrt(v / (1 - 0.999 ** (step + 1))) + 1e-8)
    return params


def evaluate(params, patches, sd=np.sqrt(0.5), clamps=(5, 10), chunk=5000):
    """Per-row averages over all patches (nats), and the activity of the code at temperature 0, in closed form."""
    w, c = params["W"].astype(float), 0.5 / sd**2
    power = np.sum(w * w, 1)
    sums = dict.fromkeys(("distortion", "r2", "zeros", "mean", "square", "rate"), 0.0)
    for at in range(0, len(patches), chunk):
        x = patches[at : at + chunk]
        mean, variance, rate, _ = (v.astype(float) if isinstance(v, np.ndarray) else v for v in code(params, x, clamps))
        error = np.sum((x - mean @ w) ** 2, 1)
        sums["distortion"] += np.sum(c * (error + variance @ power))
        sums["r2"] += np.sum(1 - error / np.sum((x - x.mean(1, keepdims=True)) ** 2, 1), dtype=float)
        silent = np.exp(-mean) if "u" in params else ndtr(-(x @ params["E"]) * np.exp(-(x @ params["Q"])))
        sums["zeros"] += np.sum(silent, dtype=float) / mean.shape[1]
        sums["mean"] += mean.sum(0)
        sums["square"] += np.sum(mean * mean + variance, 0)
        sums["rate"] += rate.sum(0)
    rows = len(patches)
    mean, square, rate = (sums[name] / rows for name in ("mean", "square", "rate"))
    lifetime = (1 - mean**2 / square) / (1 - 1 / rows)  # Treves-Rolls
    return {
        "D": sums["distortion"] / rows,
        "R": rate.sum(),
        "F": sums["distortion"] / rows + rate.sum(),
        "activity": mean.mean(),
        "zeros": sums["zeros"] / rows,
        "lifetime": lifetime.mean(),
        "r2": sums["r2"] / rows,
        "active": int(np.sum(rate > 0.01)),
        "of": len(rate),
    } | ({"prior_activity": np.exp(params["u"].astype(float)).mean()} if "u" in params else {})


def gradient_error(model, seed=0):
    """Largest difference between the gradients and central differences, relative to the largest gradient (float64)."""
    rng = np.random.default_rng(seed)
    params = {name: 3 * v.astype(float) for name, v in start(model, 9, 7, (-1, 1), seed).items()}
    x = rng.normal(size=(11, 9))
    setting = {"beta": 0.7, "sd": 0.8, "clamps": (1.5, 2.0)}
    _, gradients = loss_and_gradients(params, x, **setting)
    worst, largest, step = 0.0, 0.0, 1e-5
    for name, g in gradients.items():
        for at in np.ndindex(g.shape):
            sides = []
            for sign in (1, -1):
                moved = {k: v.copy() for k, v in params.items()}
                moved[name][at] += sign * step
                sides.append(loss_and_gradients(moved, x, **setting)[0])
            worst = max(worst, abs((sides[0] - sides[1]) / (2 * step) - g[at]))
            largest = max(largest, abs(g[at]))
    return worst / largest


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", default="../shared/data/kodak24_gray.npz", help="npz of `images` (uint8), or npy of patches")
    add("--model", choices=("poisson", "relu"), default="poisson")
    add("--images", type=int, default=19, help="the first so many images are trained on")
    add("--heldout", type=int, default=5, help="the last so many images are held out")
    add("--patch", type=int, default=16)
    add("--count", type=int, default=80_000)
    add("--units", type=int, default=256)
    add("--log-rates", type=float, nargs=2, default=(-4, -2), help="range of the starting prior log-rates")
    add("--beta", type=float, nargs="+", default=[1.0])
    add("--sd", type=float, default=0.5**0.5, help="sd of the Normal likelihood")
    add("--no-clamps", action="store_true", help="log lambda = u + x E")
    add("--batch", type=int, default=1000)
    add("--steps", type=int, default=2500)
    add("--lr", type=float, default=0.005)
    add("--seed", type=int, default=0)
    add("--start", help="safetensors file with the start's E, W and u or Q")
    add("--save-patches", help="write the training patches to this npy file")
    add("--save-params", help="write the fitted parameters to this safetensors file (one beta)")
    add("--check", action="store_true", help="compare the gradients with central differences, and stop")
    args = parser.parse_args()
    if args.check:
        print(json.dumps({model: gradient_error(model) for model in ("poisson", "relu")}))
        return

    clamps = (None, None) if args.no_clamps else (5, 10)
    if args.data.endswith(".npy"):
        patches, heldout = np.load(args.data).astype(np.float32), None
    else:
        images = np.load(args.data)["images"]
        patches = make_patches(images[: args.images], args.count, args.patch, args.seed)
        heldout = make_patches(images[-args.heldout :], args.count // 4, args.patch, args.seed + 1)
    if args.save_patches:
        np.save(args.save_patches, patches)
    for beta in args.beta:
        if args.start:
            from safetensors.numpy import load_file

            params = {k: v.astype(np.float32) for k, v in load_file(args.start).items()}
        else:
            params = start(args.model, patches.shape[1], args.units, args.log_rates, args.seed)
        began = time.perf_counter()
        params = train(patches, params, beta, args.steps, args.batch, args.lr, args.sd, clamps, args.seed)
        result = {"model": args.model, "beta": beta, "seconds": round(time.perf_counter() - began, 1)}
        result["train"] = evaluate(params, patches, args.sd, clamps)
        if heldout is not None:
            result["heldout"] = evaluate(params, heldout, args.sd, clamps)
        print(json.dumps(result, default=float), flush=True)
        if args.save_params:
            from safetensors.numpy import save_file

            save_file(params, args.save_params)


if __name__ == "__main__":
    main()
