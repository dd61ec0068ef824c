"""What a product takes on several cores."""

import pytest

from hal.plugin.roofline import Product, product_seconds

RATE, CORES = 1e12, 10


def seconds(*sizes, feed=0.0, itemsize=2, cores=CORES):
    return product_seconds(Product(*sizes), RATE, cores, feed, itemsize)


def test_a_last_wave_of_one_tile_takes_as_long_as_a_full_one():
    # The inner axis is too short to be cut.
    full, one_more = seconds(64 * CORES, 64, 300), seconds(64 * CORES * 2 + 1, 64, 300)
    assert one_more > 1.4 * full


def test_a_long_inner_axis_is_cut_where_there_are_too_few_tiles():
    short, long = seconds(64, 64, 256), seconds(64, 64, 8 * 256)
    assert long < 4 * short


def test_equal_products_share_the_cores():
    assert seconds(64, 16, 200, CORES) == pytest.approx(seconds(64, 16, 200))
    assert seconds(64, 16, 200, CORES + 1) == pytest.approx(2 * seconds(64, 16, 200))


def test_a_slow_cache_feeds_the_tiles_more_slowly():
    assert seconds(4096, 4096, 4096, feed=1e9) > 2 * seconds(4096, 4096, 4096)
    assert seconds(4096, 4096, 4096, feed=1e9, itemsize=1) < seconds(4096, 4096, 4096, feed=1e9)


def test_more_cores_of_the_same_rate_together_are_harder_to_fill():
    assert seconds(256, 256, 256, cores=100) > seconds(256, 256, 256, cores=1)


def test_a_product_takes_no_less_than_its_operations():
    for sizes in ((1, 1, 1), (1, 1000, 1000), (300, 300, 300), (4096, 4096, 64, 3)):
        assert seconds(*sizes) >= Product(*sizes).operations / RATE
