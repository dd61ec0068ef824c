"""What a container may use of the processors, read from files as Linux writes them."""

import pytest

from hal_cpu.quota import processor_quota
from hal_cpu.threads import thread_count


@pytest.fixture
def system(tmp_path):
    """Write files of a system; return its root."""

    def make(groups, files):
        for name, text in {"proc/self/cgroup": groups, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        return tmp_path

    return make


def test_a_quota_of_version_2_is_its_share_of_a_period(system):
    root = system("0::/", {"sys/fs/cgroup/cpu.max": "150000 100000"})
    assert processor_quota(root) == 1.5


def test_the_groups_around_one_limit_it_too(system):
    files = {
        "sys/fs/cgroup/cpu.max": "max 100000",
        "sys/fs/cgroup/pods/cpu.max": "200000 100000",
        "sys/fs/cgroup/pods/one/cpu.max": "400000 100000",
    }
    assert processor_quota(system("0::/pods/one", files)) == 2


def test_a_quota_of_version_1_is_found_where_a_container_has_it(system):
    files = {
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    }
    assert processor_quota(system("4:memory:/x\n3:cpu,cpuacct:/docker/12:34", files)) == 0.5


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/", {}),
        ("0::/", {"sys/fs/cgroup/cpu.max": "max 100000"}),
        ("1:cpu:/", {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                     "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}),
        ("4:memory:/x", {"sys/fs/cgroup/memory/cpu.max": "1 100000"}),
    ],
)  # fmt: skip
def test_there_may_be_no_quota(system, groups, files):
    assert processor_quota(system(groups, files)) is None


def test_there_is_no_quota_without_control_groups(tmp_path):
    assert processor_quota(tmp_path) is None


@pytest.mark.parametrize(("quota", "count"), [(0.5, 1), (1.9, 1), (None, 8), (16.0, 8), (3.0, 3)])
def test_there_are_no_more_threads_than_a_quota_lets_run(monkeypatch, quota, count):
    monkeypatch.delenv("HAL_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr("hal_cpu.threads.processor_quota", lambda: quota)
    thread_count.cache_clear()
    try:
        assert thread_count() == count
    finally:
        thread_count.cache_clear()
