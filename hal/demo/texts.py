"""The texts to search: those that come with the demo, or the lines of a file."""

from __future__ import annotations

from pathlib import Path

from hal.errors import ValueRangeError

__all__ = ["read_texts"]

COLLECTION = Path(__file__).parent / "texts.txt"


def read_texts(path: str | Path | None = None) -> list[str]:
    """Return the lines of a text file that are not empty.

    Parameters
    ----------
    path : str or Path, optional
        The collection that comes with the demo when left out.

    Raises
    ------
    ValueRangeError
        When the file cannot be read, is not UTF-8, or has no text.

    Examples
    --------
    >>> from hal.demo import read_texts
    >>> len(read_texts()) > 30
    True
    """
    chosen = COLLECTION if path is None else Path(path)
    try:
        text = chosen.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueRangeError(f"{chosen} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ValueRangeError(
            f"{chosen} is not UTF-8 text (byte {error.start} does not fit); convert it, for "
            f"example: iconv -f latin1 -t utf-8 {chosen}"
        ) from None
    except ValueError as error:  # such as a zero byte in the name
        raise ValueRangeError(f"{str(chosen)!r} is no file name: {error}") from None
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line]
    if not found:
        raise ValueRangeError(f"{chosen} has no text; write one text on each line")
    return found
