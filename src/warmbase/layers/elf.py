"""What the head of a program or library says of the machine that it is for (System V ABI, "ELF Header")."""

import struct
from dataclasses import dataclass

MACHINES = {"linux/amd64": 62, "linux/arm64": 183}
"""OCI platforms and their EM_X86_64 and EM_AARCH64. Both are ELFCLASS64 and little endian."""

NAMES = {3: ("x86", "i386", "i686"), 62: ("x86_64", "amd64", "x64"), 183: ("aarch64", "arm64")}
"""Machines, and what files that are made for one call it."""

_HEAD = struct.Struct("<4s2B10xHH")  # e_ident (with class and data), e_type, e_machine
_TABLE = struct.Struct("<32xQ14x2H")  # e_phoff, e_phentsize, e_phnum
_SEGMENT = struct.Struct("<I4xQ16xQ")  # p_type, p_offset, p_filesz
_INTERPRETER = 3  # PT_INTERP
_SECTIONS = struct.Struct("<40xQ10xHH")  # e_shoff, e_shentsize, e_shnum
_SECTION = struct.Struct("<4xI8xQQQI")  # sh_type, sh_addr, sh_offset, sh_size, sh_link
_SYMBOL = struct.Struct("<I2xHQQ")  # st_name, st_shndx, st_value, st_size
_DYNAMIC_SYMBOLS = 11  # SHT_DYNSYM
_DYNAMIC = 6  # SHT_DYNAMIC
_DYNAMIC_ENTRY = struct.Struct("<qQ")  # d_tag, d_val
_NEEDED = 1  # DT_NEEDED
_CLASS64, _LITTLE_ENDIAN = 2, 1
HEAD = 4096
"""How many bytes of a file are read: the program headers follow the file's head in everything that linkers write."""


@dataclass(frozen=True, slots=True)
class Elf:
    """`machine` is e_machine, 0 where it is not of 64 bits and little endian; `interpreter` the dynamic linker's path,
    "" for none."""

    machine: int
    interpreter: str


def read_elf(head: bytes) -> Elf | None:
    """Read the first bytes of a file; None where that is no ELF file."""
    if len(head) < _TABLE.size or not head.startswith(b"\x7fELF"):
        return None
    _, kind, order, _, machine = _HEAD.unpack_from(head)
    if order != _LITTLE_ENDIAN:
        return Elf(0, "")
    if kind != _CLASS64:
        return Elf(machine if machine not in MACHINES.values() else 0, "")
    start, size, count = _TABLE.unpack_from(head)
    for number in range(count):
        at = start + number * size
        if at + _SEGMENT.size > len(head):
            break
        segment, offset, length = _SEGMENT.unpack_from(head, at)
        if segment == _INTERPRETER:
            return Elf(machine, head[offset : offset + length].rstrip(b"\0").decode(errors="replace"))
    return Elf(machine, "")


def read_variable(program: bytes, name: bytes) -> bytes | None:
    """The initial bytes of a variable that a program or library exports; None where it exports none of that name."""
    head = read_elf(program[:HEAD])
    if head is None or not head.machine:
        return None
    try:
        start, size, count = _SECTIONS.unpack_from(program)
        sections = [_SECTION.unpack_from(program, start + number * size) for number in range(count)]
        for kind, _, offset, length, link in sections:
            if kind != _DYNAMIC_SYMBOLS:
                continue
            names = program[sections[link][2] : sections[link][2] + sections[link][3]]
            at = names.find(b"\0" + name + b"\0") + 1
            for found, section, value, width in _SYMBOL.iter_unpack(program[offset : offset + length]):
                if at and found == at and 0 < section < count:
                    place = value - sections[section][1] + sections[section][2]
                    return program[place : place + width]
    except (struct.error, IndexError):
        return None  # it has been damaged, or stripped of what a loader does not need
    return None


def read_needed(library: bytes) -> tuple[str, ...]:
    """The names of the shared libraries that a program or library asks for (System V ABI, "Dynamic Section")."""
    head = read_elf(library[:HEAD])
    if head is None or not head.machine:
        return ()
    try:
        start, size, count = _SECTIONS.unpack_from(library)
        sections = [_SECTION.unpack_from(library, start + number * size) for number in range(count)]
        for kind, _, offset, length, link in sections:
            if kind != _DYNAMIC:
                continue
            names = sections[link][2]
            tags = _DYNAMIC_ENTRY.iter_unpack(library[offset : offset + length])
            places = [names + value for tag, value in tags if tag == _NEEDED]
            return tuple(library[at : library.index(b"\0", at)].decode(errors="replace") for at in places)
    except (struct.error, IndexError, ValueError):
        pass  # it has been damaged, or stripped of what a loader does not need
    return ()
