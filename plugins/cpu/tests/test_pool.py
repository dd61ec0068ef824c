"""The pool of host memory: blocks are reused, counted, and given back for what is to last."""

from __future__ import annotations

import gc

import pytest

from hal.errors import OutOfMemory
from hal_cpu.pool import ALIGNMENT, Kept, Pool, host_pool

MIB = 1 << 20


@pytest.fixture
def pool():
    return Pool(64 * MIB)


def test_a_freed_block_is_given_out_again(pool):
    first = pool.allocate(3 * MIB)
    place = first.ctypes.data
    pool.free(first)
    assert pool.allocate(3 * MIB - 100).ctypes.data == place


def test_a_block_that_is_to_last_takes_the_place_of_a_kept_one(pool):
    first = pool.allocate(3 * MIB)
    place = first.ctypes.data
    pool.free(first)
    assert pool.allocate(3 * MIB, lasting=True).ctypes.data == place
    assert pool.stats().reserved == 3 * MIB


def test_kept_blocks_go_back_to_the_system_for_one_that_is_to_last_and_fits_none(pool):
    for size in (2 * MIB, 5 * MIB):
        pool.free(pool.allocate(size))
    assert pool.stats().reserved == 7 * MIB
    pool.allocate(3 * MIB)
    assert pool.stats().reserved == 10 * MIB
    pool.allocate(4 * MIB, lasting=True)
    assert pool.stats().reserved == pool.stats().allocated == 7 * MIB


def test_what_a_kernel_keeps_is_counted_and_goes_back_with_it():
    gc.collect()  # Other tests' tensors go now, not in between.
    before = host_pool().stats().allocated
    kept = Kept(2 * MIB)
    assert kept.address % ALIGNMENT == 0
    assert host_pool().stats().allocated - before == 2 * MIB
    del kept
    assert host_pool().stats().allocated == before


def test_more_than_there_is_is_refused(pool):
    pool.allocate(60 * MIB)
    with pytest.raises(OutOfMemory, match="bytes were asked for"):
        pool.allocate(5 * MIB, lasting=True)
    assert pool.stats().allocated == 60 * MIB
