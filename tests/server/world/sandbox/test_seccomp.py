"""The filter of system calls, asked as the kernel asks it, for both machines."""

import pytest

from kelpie_server.world.sandbox.seccomp import Allowed, program
from tests.server.world.sandbox.filters import ALLOWED, ARCHITECTURES, KILLED, asked, verdict

NOTHING = Allowed()
EVERYTHING = Allowed(network=True, owner=True, signals=True, truncation=True)
MACHINES = tuple(ARCHITECTURES)
NEW_USER_NAMESPACE, THREAD_FLAGS = 0x10000000, 0x3D0F00
UNIX, INET, NETLINK, STREAM, DATAGRAM, CLOEXEC = 1, 2, 16, 1, 2, 0o2000000
TRUNCATE, WRITE = 0o1000, 1


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("call", "arguments", "closed", "opened"),
    [
        ("read", (), ALLOWED, ALLOWED),
        ("execve", (), ALLOWED, ALLOWED),
        ("connect", (), "EPERM", ALLOWED),
        ("fchmodat", (), "EPERM", ALLOWED),
        ("setsid", (), "EPERM", "EPERM"),
        ("setpgid", (), "EPERM", "EPERM"),
        ("ptrace", (), "EPERM", "EPERM"),
        ("clone", (THREAD_FLAGS,), ALLOWED, ALLOWED),
        ("clone", (NEW_USER_NAMESPACE | 17,), "EPERM", "EPERM"),
        ("clone3", (), "ENOSYS", "ENOSYS"),
        ("socket", (INET, STREAM), "EPERM", ALLOWED),
        ("socket", (UNIX, STREAM), "EPERM", "EPERM"),
        ("socket", (NETLINK, STREAM), "EPERM", "EPERM"),
        ("socketpair", (UNIX, STREAM | CLOEXEC), ALLOWED, ALLOWED),
        ("socketpair", (UNIX, DATAGRAM), "EPERM", "EPERM"),
        ("socketpair", (INET, STREAM), "EPERM", "EPERM"),
        ("prctl", (15,), ALLOWED, ALLOWED),
        ("prctl", (1,), "EPERM", "EPERM"),
        ("prlimit64", (0,), ALLOWED, ALLOWED),
        ("prlimit64", (1,), "EPERM", "EPERM"),
        ("fcntl", (3, 1), ALLOWED, ALLOWED),
        ("fcntl", (3, 8), "EPERM", "EPERM"),
        ("fcntl", (3, 15), "EPERM", "EPERM"),
        ("ioctl", (1, 0x5401), ALLOWED, ALLOWED),
        ("ioctl", (1, 0x5412), "EPERM", "EPERM"),
        ("openat", (0, 0, 0), ALLOWED, ALLOWED),
        ("openat", (0, 0, TRUNCATE), "EPERM", ALLOWED),
        ("openat", (0, 0, TRUNCATE | WRITE), ALLOWED, ALLOWED),
        ("truncate", (), "EPERM", ALLOWED),
        ("kill", (1, 9), "EPERM", ALLOWED),
        ("tgkill", (1, 1, 9), "EPERM", ALLOWED),
    ],
)
def test_verdicts(machine: str, call: str, arguments: tuple[int, ...], closed: str, opened: str) -> None:
    """Each guarded call passes for the arguments that harm nobody, and as far as it is allowed."""
    assert (closed, opened) == (
        asked(machine, NOTHING, call, *arguments),
        asked(machine, EVERYTHING, call, *arguments),
    )


def test_own_user_may_signal() -> None:
    """A process that shares its user with nobody may signal even where the kernel has no scopes."""
    assert ALLOWED == asked("x86_64", Allowed(owner=True), "kill", 1, 9)


@pytest.mark.parametrize("machine", MACHINES)
def test_what_nobody_listed_does_not_exist(machine: str) -> None:
    """Calls of today that are left out, and calls that are yet to come, are not there."""
    io_uring_setup, of_tomorrow = 425, 999
    code = program(machine, EVERYTHING)
    assert ["ENOSYS"] * 2 == [verdict(code, ARCHITECTURES[machine], n) for n in (io_uring_setup, of_tomorrow)]


def test_other_doors_are_walled_up() -> None:
    """Calls in the numbers of another machine, or in the short ones of x32, kill."""
    assert KILLED == verdict(program("x86_64", EVERYTHING), 0x40000003, 1)
    assert KILLED == verdict(program("aarch64", EVERYTHING), ARCHITECTURES["x86_64"], 63)
    assert KILLED == verdict(program("x86_64", EVERYTHING), ARCHITECTURES["x86_64"], 0x40000000)


def test_unknown_machine() -> None:
    """For a machine that nobody looked at there is no filter."""
    with pytest.raises(KeyError):
        program("riscv64", NOTHING)


@pytest.mark.parametrize("machine", MACHINES)
def test_filter_fits(machine: str) -> None:
    """The kernel takes at most 4,096 instructions of eight bytes."""
    size = len(program(machine, EVERYTHING))
    assert (0, True) == (size % 8, size <= 4_096 * 8)
