"""The numbers of system calls."""

import os
import platform
import re
from pathlib import Path

import pytest

from kelpie_server.world.sandbox.syscalls import numbers

HEADERS = {"x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")}


def test_every_number_means_one_call() -> None:
    """No number is in two groups, on either machine."""
    for machine in ("x86_64", "aarch64"):
        found = [number for group in numbers(machine).values() for number in group.values()]
        assert len(found) == len(set(found))


def test_old_calls_are_left_out_where_they_never_were() -> None:
    """A machine without a call has no number for it."""
    assert ("open" in numbers("x86_64")["guarded"], "open" in numbers("aarch64")["guarded"]) == (True, False)


@pytest.mark.skipif(platform.machine() not in HEADERS, reason="the system's own list is known for x86_64 only")
def test_numbers_are_the_systems() -> None:
    """Each number is the one that the system's own header gives."""
    header = HEADERS[platform.machine()]
    if not header.exists():
        pytest.skip("the headers of the C library are not installed")
    known = dict(re.findall(r"#define __NR_(\w+) (\d+)", header.read_text()))
    ours = {name: number for group in numbers(platform.machine()).values() for name, number in group.items()}
    wrong = {name: number for name, number in ours.items() if name in known and int(known[name]) != number}
    assert {} == wrong


def test_unknown_machine() -> None:
    """A machine that nobody looked at is an error, never an empty list."""
    with pytest.raises(KeyError):
        numbers("riscv64")


def test_the_numbers_of_this_machine_work() -> None:
    """The number of getpid, asked of this kernel, gives this process."""
    import ctypes

    number = numbers(platform.machine())["plain"]["getpid"]
    assert os.getpid() == ctypes.CDLL(None).syscall(number)
