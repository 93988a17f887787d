"""The allow list of system calls as a filter program for the kernel (classic BPF).

A filter sees the number of a call and its arguments as registers, never what they point to. So what can only be told
by looking behind a pointer (clone3, openat2) does not exist for a tool.
"""

import functools
import struct

import attrs

from kelpie_server.world.sandbox.syscalls import AARCH64, X86_64, numbers

_ARCHITECTURE = {X86_64: 0xC000003E, AARCH64: 0xC00000B7}
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_X32 = 0x40000000

_NEW_NAMESPACES = 0x7E020000
_PRCTL = (3, 15, 16, 0x53564D41)  # PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_SET_VMA
# Is it a terminal, how wide is it, how much waits, blocking or not, open across exec or not.
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
_FCNTL_OWNER = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: they send signals to others
_INTERNET = (2, 10)  # AF_INET, AF_INET6
_AF_UNIX, _SOCK_STREAM, _SOCK_TYPE = 1, 1, 0xF
_O_TRUNC, _O_TRUNC_AND_MODE = 0x200, 0x203

Instruction = tuple[int, int, int, int]


@attrs.frozen(kw_only=True)
class Allowed:
    """What a filter lets pass beyond the plain calls.

    `owner`: the process has a user of its own, so changing modes and times harms nobody else. `signals`: it cannot
    signal anybody else anyway. `truncation`: the kernel's file rules cover truncating.
    """

    network: bool = False
    owner: bool = False
    signals: bool = False
    truncation: bool = False


@functools.cache
def program(machine: str, allowed: Allowed) -> bytes:
    """Return the filter as the kernel takes it, an array of sock_filter; raise KeyError for an unknown machine."""
    groups = numbers(machine)
    code: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, _ARCHITECTURE[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if machine == X86_64:
        code += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    verdicts = {"plain": True, "network": allowed.network, "owner": allowed.owner, "refused": False}
    for group, passes in verdicts.items():
        for number in groups[group].values():
            code += _when(number, [_answer(passes)])
    for name, number in groups["guarded"].items():
        code += _when(number, _guard(name, allowed))
    code.append((_RETURN, 0, 0, _ERRNO | _ENOSYS))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _when(number: int, block: list[Instruction]) -> list[Instruction]:
    """Return a block for one call. It must end in an answer, as it may leave another register than the number's."""
    return [(_EQUAL, 0, len(block), number), *block]


def _answer(passes: bool) -> Instruction:
    return (_RETURN, 0, 0, _ALLOW if passes else _ERRNO | _EPERM)


def _guard(name: str, allowed: Allowed) -> list[Instruction]:
    match name:
        case "clone":
            return [_argument(0), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), _answer(False), _answer(True)]
        case "clone3":
            return [(_RETURN, 0, 0, _ERRNO | _ENOSYS)]  # the C library falls back to clone
        case "socket":
            # Never AF_UNIX: behind a path may listen what obeys this user (an agent of keys, a container engine).
            return _one_of(0, _INTERNET, True) if allowed.network else [_answer(False)]
        case "socketpair":
            return _stream_pair()
        case "prctl":
            return _one_of(0, _PRCTL, True)
        case "prlimit64":
            return _one_of(0, (0,), True)
        case "ioctl":
            return _one_of(1, _IOCTL, True)
        case "fcntl":
            return _one_of(1, _FCNTL_OWNER, False)
        case "open" | "openat":
            return [_answer(True)] if allowed.truncation else _no_truncating_read(1 if name == "open" else 2)
        case "truncate":
            return [_answer(allowed.truncation)]
    assert name in ("kill", "tkill", "tgkill"), name
    return [_answer(allowed.signals or allowed.owner)]


def _argument(index: int) -> Instruction:
    """Load the low half of an argument: the kernel takes these as 32 bits."""
    return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * index)


def _one_of(index: int, values: tuple[int, ...], passes: bool) -> list[Instruction]:
    """Return a block that answers `passes` where the argument is one of the values, else the contrary."""
    tests: list[Instruction] = [(_EQUAL, len(values) - n, 0, value) for n, value in enumerate(values)]
    return [_argument(index), *tests, _answer(not passes), _answer(passes)]


def _stream_pair() -> list[Instruction]:
    """Return a block that lets pairs of stream sockets pass: nobody else can be reached through one."""
    return [
        _argument(0),
        (_EQUAL, 0, 4, _AF_UNIX),
        _argument(1),
        (_AND, 0, 0, _SOCK_TYPE),
        (_EQUAL, 0, 1, _SOCK_STREAM),
        _answer(True),
        _answer(False),
    ]


def _no_truncating_read(index: int) -> list[Instruction]:
    """Return a block against opening for reading and yet truncating, which old file rules let pass."""
    return [_argument(index), (_AND, 0, 0, _O_TRUNC_AND_MODE), (_EQUAL, 0, 1, _O_TRUNC), _answer(False), _answer(True)]
