"""Files of a run folder as bytes and as lines; see reader.py for which there are. What cannot be read raises CrunchError."""

import mmap
import os
import sys
from pathlib import Path
from typing import Optional, Tuple, Union

from .errors import CrunchError

FORMAT_VERSION = 4
Bytes = Union[bytes, mmap.mmap]
MAPPED_FROM_BYTES = 256 << 20 if sys.platform == "darwin" else 65536  # there Python has the disk write all it holds back, before each mapping


def key_value(line: str) -> Tuple[str, str]:
    """A line of `key value`; the value is empty where there is none."""
    key, _, value = line.partition(" ")
    return key, value


def bytes_of(path: Path) -> Optional[Bytes]:
    """A file's bytes, mapped where that pays; None if there is no such file."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size < MAPPED_FROM_BYTES:
                return file.read()
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CrunchError(f"{path} cannot be read: {error.strerror}") from None
