"""A reader of filter programs, so that they can be asked without putting a process under them."""

import errno
import struct

from kelpie_server.world.sandbox.seccomp import Allowed, program
from kelpie_server.world.sandbox.syscalls import numbers

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOWED, KILLED = "allowed", "killed"


def verdict(code: bytes, architecture: int, number: int, *arguments: int) -> str:
    """Return what a filter says to a call: allowed, killed, or the name of the error."""
    packed = [value & 0xFFFFFFFFFFFFFFFF for value in (*arguments, *(0,) * (6 - len(arguments)))]
    data = struct.pack("<iIQ6Q", number, architecture, 0, *packed)
    instructions = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    at, register = 0, 0
    while True:
        operation, if_true, if_false, value = instructions[at]
        at += 1
        match operation:
            case 0x20:
                (register,) = struct.unpack_from("<I", data, value)
            case 0x54:
                register &= value
            case 0x06:
                return {0x7FFF0000: ALLOWED, 0x80000000: KILLED}.get(value) or errno.errorcode[value & 0xFFFF]
            case 0x15:
                at += if_true if register == value else if_false
            case 0x35:
                at += if_true if register >= value else if_false
            case 0x45:
                at += if_true if register & value else if_false
            case _:
                raise AssertionError(f"unknown operation {operation:#x}")


def asked(machine: str, allowed: Allowed, call: str, *arguments: int) -> str:
    """Return what the filter of a machine says to a call by its name."""
    known = {name: number for group in numbers(machine).values() for name, number in group.items()}
    return verdict(program(machine, allowed), ARCHITECTURES[machine], known[call], *arguments)
