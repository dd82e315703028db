"""The peak that matrix products reach here: 1024³ in f32 by oneMKL, the BLAS inside PyTorch. One step is one product."""

import protocol

args = protocol.arguments().parse_args()

import torch

torch.set_num_threads(args.threads)
a, b, c = torch.rand(3, 1024, 1024)


def run(count):
    for _ in range(count):
        torch.mm(a, b, out=c)


protocol.serve(args, run, lambda: (0.0, 0.0), 0.0, {"torch": torch.__version__})
