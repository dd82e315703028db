"""Shards of a sweep on a pool of workers: processes, a cluster's jobs, machines."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import _fe
from ._errors import RequestError


@dataclass(frozen=True)
class Shard:
    """One share of a sweep, as it travels to its worker."""

    source: str
    file: str
    #: That paths in the program are relative to; as the workers see it.
    base: str
    over: list[str]
    arrays: dict[str, Any]
    paths: dict[str, str]
    values: dict[str, str]
    folder: str
    index: int
    of: int
    wishes: dict[str, Any]
    #: No two shards are alike, so that a pool that remembers results gives none of another sweep.
    token: str


def work(shard: Shard) -> str:
    """Makes a share, on the worker: what came of it, as JSON."""
    model = _fe.Model(shard.source, shard.file, shard.base)
    return model.share(
        shard.over, shard.arrays, shard.paths, shard.values, shard.folder, shard.index, shard.of, **shard.wishes
    )  # fmt: skip


def _workers(pool: Any) -> int | None:
    """How many workers a pool has, where it tells."""
    if isinstance(count := getattr(pool, "_max_workers", None), int):  # concurrent.futures
        return count
    if hasattr(pool, "ncores"):  # dask
        return len(pool.ncores()) or None
    if hasattr(pool, "cluster_resources"):  # ray
        return int(pool.cluster_resources().get("CPU", 0)) or None
    return None


def _sent(pool: Any, shards: list[Shard]) -> tuple[list[Any], Callable[[Any], str]]:
    """Sends the shards off: what stands for their results, and how one is had."""
    if hasattr(pool, "submit"):  # concurrent.futures, dask, submitit
        return [pool.submit(work, shard) for shard in shards], lambda future: future.result()
    if hasattr(pool, "remote") and hasattr(pool, "get"):  # ray, the module
        remote = pool.remote(work)
        return [remote.remote(shard) for shard in shards], pool.get
    raise RequestError(
        "a pool is an executor of concurrent.futures, a dask Client, a submitit Executor or the ray module, "
        f"not {type(pool).__name__}: it has no `submit`"
    )


def shared(pool: Any, shards: int | None, points: int, **common: Any) -> None:
    """Makes the fits of a sweep in its folder, on the workers of a pool. Ends when all shards have."""
    workers = _workers(pool)
    of = max(1, min(shards if shards is not None else workers or points, points))
    wishes = dict(common.pop("wishes"))
    if wishes.get("threads") is None and hasattr(pool, "_max_workers"):
        # Executors of concurrent.futures work on this machine, side by side.
        wishes["threads"] = max(1, (os.cpu_count() or 1) // min(of, workers or of))
    made = [Shard(**common, index=k + 1, of=of, wishes=wishes, token=uuid.uuid4().hex) for k in range(of)]
    sent, result = _sent(pool, made)
    try:
        for future in sent:
            result(future)
    except BaseException:
        for future in sent:
            if hasattr(future, "cancel"):
                future.cancel()
        raise
