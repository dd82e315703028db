"""Reads posterior.nc as ArviZ does, and holds it to fit.json."""

import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
import matplotlib

matplotlib.use("Agg")
import arviz
import numpy

for folder in map(Path, sys.argv[1:]):
    fit = json.loads((folder / "fit.json").read_text())
    data = arviz.from_netcdf(folder / "posterior.nc")
    resampled = fit["posterior_resampled"]
    groups = {"posterior", "observed_data"} | (set() if resampled else {"sample_stats"})
    assert groups <= set(data.groups()), data.groups()
    assert data.posterior.sizes["chain"] == 1 and data.posterior.sizes["draw"] == 2000
    table = arviz.summary(data)
    arviz.plot_trace(data)
    for name, figures in (resampled or fit["posterior"]).items():
        draws = data.posterior[name].values[0]
        mean, sd = numpy.array(figures["mean"]), numpy.array(figures["sd"])
        assert draws.shape[1:] == mean.shape, (name, draws.shape)
        # 2000 draws of the table to read: five standard errors.
        assert numpy.all(abs(draws.mean(0) - mean) < 5 * sd / 2000**0.5), name
        assert numpy.all(abs(draws.std(0) / sd - 1) < 0.1), name
    if not resampled:
        assert numpy.isfinite(data.sample_stats["log_weight"].values).all()
    for name in data.observed_data:
        assert data.observed_data[name].size == fit["rows"]
    # Leave-one-out as ArviZ has it, of the same densities.
    if fit["loo"]:
        elpd = arviz.loo(data).elpd_loo
        assert abs(elpd - fit["loo"]["elpd"]) < 0.2 * fit["loo"]["se"], (elpd, fit["loo"]["elpd"])
        assert "constant_data" in data.groups() or folder.name == "leave_one_out"
    # Data drawn anew are laid out as the data are; of many rows they have their mean and spread, but for what the draws leave open.
    for name in data.posterior_predictive:
        drawn, seen = data.posterior_predictive[name].values[0], data.observed_data[name].values
        assert drawn.shape == (500, *seen.shape), (name, drawn.shape, seen.shape)
        means = drawn.reshape(500, -1).mean(1)
        assert abs(means.mean() - seen.mean()) < 4 * means.std() / 500**0.5 + 0.02 * seen.std(), name
        assert seen.size < 100 or abs(numpy.log(drawn.std() / seen.std())) < 0.05, name
    arviz.plot_ppc(data, num_pp_samples=50, random_seed=0)
    print(f"{folder.name}: {len(table)} scalars")
