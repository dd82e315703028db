"""The VAEs in PyTorch, as its experts write them: plain functions, batches from one shuffled index, Adam fused into one
kernel (--adam fused; `default` is what most users run), the loss compiled by --mode compile. measure.py runs it with glibc's malloc
as it is, and with its mmap and trim thresholds raised, which saves page faults on every large temporary.
"""

import time

import protocol

parser = protocol.arguments()
parser.add_argument("--mode", choices=["eager", "compile"], default="eager")
parser.add_argument("--adam", choices=["default", "fused"], default="fused")
args = parser.parse_args()

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

torch.set_num_threads(args.threads)
torch.set_default_dtype(torch.float32 if args.precision == "f32" else torch.float64)
torch.manual_seed(0)

TEMPERATURE = 0.4


def dense(p, name, x):
    return torch.addmm(p[f"{name}.bias"], x, p[f"{name}.weight"])


def sample_poisson(rate, arrivals):
    """Exponential arrival times with the cubic indicator, as the authors of the Poisson VAE write it."""
    waits = torch.distributions.Exponential(rate, validate_args=False).rsample((arrivals,))
    u = (0.5 + 0.5 * (1 - waits.cumsum(0)) / TEMPERATURE).clamp(0, 1)
    return (u * u * (3 - 2 * u)).sum(0)


def bernoulli(x, logits):
    """−log p of x in [0, 1], summed over everything."""
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum")


def poisson_rate(u, gain):
    """KL(Poisson(e^(u + gain)) ‖ Poisson(e^u)), summed over everything."""
    return (u.exp() * (1 + gain.exp() * (gain - 1))).sum()


def poisson_vae(p, x):
    gain = dense(p, "log_gain", F.silu(dense(p, "hidden", x)))
    z = sample_poisson((p["u"] + gain).exp(), arrivals)
    return (bernoulli(x, dense(p, "logits", z)) + poisson_rate(p["u"], gain)) / len(x)


def gaussian_vae(p, x):
    h = F.silu(dense(p, "hidden", x))
    mean, log_sd = dense(p, "mean", h), dense(p, "log_sd", h)
    sd = log_sd.exp()
    z = mean + sd * torch.randn_like(sd)
    rate = (0.5 * (mean**2 + sd**2 - 1) - log_sd).sum()
    return (bernoulli(x, dense(p, "logits", z)) + rate) / len(x)


def linear_poisson(p, x):
    """The sampled relaxation that the authors run, with sd √½: drawn even where the closed form is known."""
    gain = x @ p["E"]
    z = sample_poisson((p["u"] + gain).exp(), arrivals)
    distortion = ((x - z @ p["W"]) ** 2).sum() / len(x) + x.shape[1] / 2 * torch.log(torch.tensor(torch.pi))
    return distortion + poisson_rate(p["u"], gain) / len(x)


p = load_file(args.inputs)
x = p.pop("x")
first = x[:1000]
stated = {name: value.clone() for name, value in p.items()}
for value in p.values():
    value.requires_grad_()
details = {}
if args.work == "poisson-vae":
    with torch.no_grad():
        largest = (p["u"] + dense(p, "log_gain", F.silu(dense(p, "hidden", first)))).exp().max()
    arrivals = details["arrivals"] = protocol.poisson_quantile(float(largest))
elif args.work == "linear-poisson":
    arrivals = details["arrivals"] = protocol.poisson_quantile(200.0)  # the authors' first guess at the largest rate
eager = {"poisson-vae": poisson_vae, "gaussian-vae": gaussian_vae, "linear-poisson": linear_poisson}[args.work]
loss = torch.compile(eager) if args.mode == "compile" else eager
adam = torch.optim.Adam(p.values(), lr=args.lr, fused=True if args.adam == "fused" else None)


def batches():
    while True:
        for rows in torch.randperm(len(x)).split(args.batch):
            if len(rows) == args.batch:
                yield x[rows]


source = batches()


def run(count):
    for _ in range(count):
        adam.zero_grad()
        loss(p, next(source)).backward()
        adam.step()


def objective():
    with torch.no_grad():
        return protocol.average([float(eager(stated, first)) for _ in range(3 if args.work == "linear-poisson" else 32)])


start = time.perf_counter()
if args.mode == "compile":
    loss(p, next(source)).backward()
compile_s = time.perf_counter() - start

protocol.serve(args, run, objective, compile_s, {"torch": torch.__version__}, **details)
