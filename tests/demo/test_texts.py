"""Texts are the lines of a UTF-8 file; anything else is refused with what to do."""

from __future__ import annotations

import pytest

import hal
from hal.demo import read_texts


def test_the_collection_has_distinct_sentences():
    texts = read_texts()
    assert 30 < len(texts) == len(set(texts))
    assert all(text.endswith(".") for text in texts)


def test_lines_are_trimmed_and_empty_ones_left_out(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_bytes("\ufeffone\r\n\n  two \n \t \nthrée".encode())
    assert read_texts(path) == ["one", "two", "thrée"]


@pytest.mark.parametrize("content", [b"", b" \n\t\n"])
def test_a_file_without_text_is_refused(content, tmp_path):
    path = tmp_path / "empty.txt"
    path.write_bytes(content)
    with pytest.raises(hal.ValueRangeError, match=r"empty\.txt has no text; write one"):
        read_texts(path)


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes("ok\ncafé".encode("latin1"))
    with pytest.raises(hal.ValueRangeError, match=r"latin\.txt is not UTF-8 text \(byte 6.*iconv"):
        read_texts(path)


@pytest.mark.parametrize("name", ["nowhere.txt", ".", "zero\0byte"])
def test_a_file_that_cannot_be_read_is_refused(name, tmp_path):
    with pytest.raises(hal.ValueRangeError, match=r"cannot be read|is no file name"):
        read_texts(tmp_path / name)
