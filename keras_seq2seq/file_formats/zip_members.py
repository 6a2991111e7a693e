"""Checks that the list of a zip archive names everything that lies in it."""

import struct
import zipfile

_LOCAL = struct.Struct("<4s5H3L2H")
_DESCRIPTOR = 24  # bytes that may follow a member which was written as a stream


def check_complete(archive: zipfile.ZipFile) -> None:
    """Checks that the members fill the file up to the list of names at its end.

    One flipped bit in the last bytes can hide members from `zipfile` without an error.

    Raises:
        ValueError: If a member is hidden, or two have one name.
    """
    members = sorted(archive.infolist(), key=lambda info: info.header_offset)
    names = [info.filename for info in members]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{twice[0]} is there twice")
    if not members or members[0].header_offset != 0:
        raise ValueError("the first member is not at the start")
    last = members[-1]
    file = archive.fp
    assert file is not None
    file.seek(last.header_offset)
    *_, name_length, extra_length = _LOCAL.unpack(file.read(_LOCAL.size))
    end = last.header_offset + _LOCAL.size + name_length + extra_length + last.compress_size
    slack = _DESCRIPTOR if last.flag_bits & 8 else 0
    if not end <= archive.start_dir <= end + slack:
        raise ValueError(f"{archive.start_dir - end} bytes after {last.filename} are in no member")
