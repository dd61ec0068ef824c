"""``hal new-plugin``: prints the folder it wrote, refuses what cannot be."""

from __future__ import annotations


def test_it_prints_the_folder_and_what_to_do_next(hal_command, tmp_path):
    folder = tmp_path / "hal-npu"
    status, out, err = hal_command("new-plugin", "npu", "--directory", str(folder))
    assert status == 0
    assert out.strip() == str(folder)
    assert "pip install -e" in err
    assert (folder / "pyproject.toml").exists()


def test_a_bad_name_and_an_existing_folder_are_errors(hal_command, tmp_path):
    status, out, err = hal_command("new-plugin", "My-NPU", "--directory", str(tmp_path / "new"))
    assert (status, out) == (2, "")
    assert "lower-case letters" in err
    status, out, err = hal_command("new-plugin", "npu", "--directory", str(tmp_path))
    assert (status, out) == (2, "")
    assert "exists" in err
