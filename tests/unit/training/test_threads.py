from __future__ import annotations

from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.training.distributed.machine import limit_blas_threads


def test_matrix_products_take_the_threads_that_they_are_given() -> None:
    with threadpool_limits():  # what is set within ends with it
        for threads in (2, 1):
            limit_blas_threads(threads)
            pools = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
            assert pools
            assert set(pools) == {threads}
