from __future__ import annotations

from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.training.distributed.machine import limit_blas_threads


def test_the_blas_thread_limit_is_applied() -> None:
    with threadpool_limits():  # restores the thread limits at the end
        for threads in (2, 1):
            limit_blas_threads(threads)
            pools = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
            assert pools
            assert set(pools) == {threads}
