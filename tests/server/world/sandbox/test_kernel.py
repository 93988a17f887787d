"""What a kernel can shut in, and its rules for files."""

import ctypes
import os
import platform
import sys

import pytest

from kelpie_server.world.sandbox.kernel import Kernel, adopt_orphans, file_rules, this_kernel

READ, READ_FILE, DEVICE = 0b1101, 0b101, 0b110


def rules(landlock, **more):
    """Return the rules of a kernel with that version."""
    given = {"work": "/tmp", "readable": ("/usr", "/nowhere"), "devices": ("/dev/null",), "network": False, **more}
    return file_rules(Kernel(machine="x86_64", landlock=landlock), **given)


def test_this_kernel():
    """The kernel under the tests is told as it is."""
    found = this_kernel()
    assert (platform.machine(), found.missing is None) == (found.machine, found.landlock > 0)


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [
        ("sys.platform", "darwin", "darwin has no Landlock"),
        ("platform.machine", lambda: "riscv64", "known for riscv64"),
    ],
)
def test_kernels_that_cannot(monkeypatch, attribute, value, words):
    """Another system, or a machine whose calls nobody listed, can shut nothing in."""
    monkeypatch.setattr(f"kelpie_server.world.sandbox.kernel.{attribute}", value)
    assert words in str(this_kernel().missing)


def test_kernel_without_landlock(monkeypatch):
    """A kernel that does not know Landlock, or has it off, says so with an error."""
    monkeypatch.setattr(ctypes.CDLL(None).__class__, "__getattr__", lambda self, name: lambda *arguments: -1)
    assert "no Landlock" in str(this_kernel().missing)


@pytest.mark.parametrize(
    ("landlock", "size", "handled", "network", "scoped"),
    [
        (1, 8, 0x1FFF, 0, 0),
        (2, 8, 0x3FFF, 0, 0),
        (3, 8, 0x7FFF, 0, 0),
        (4, 16, 0x7FFF, 3, 0),
        (5, 16, 0xFFFF, 3, 0),
        (6, 24, 0xFFFF, 3, 3),
        (9, 24, 0xFFFF, 3, 3),
    ],
)
def test_rules_by_version(landlock, size, handled, network, scoped):
    """Each version is asked for what it knows, and for no more."""
    found = rules(landlock)
    assert (size, handled, network, scoped) == tuple(found[key] for key in ("size", "handled", "network", "scoped"))


def test_rules_for_paths():
    """Folders are read, files have no right that only a folder can have, what is not there has no rule."""
    assert [["/usr", READ], ["/dev/null", DEVICE]] == rules(1)["rules"][:2]
    executable = os.path.realpath(sys.executable)
    assert [executable, READ_FILE] == rules(1, readable=(executable,))["rules"][0]


def test_work_folder():
    """In the work folder everything is allowed but to run programs and to make devices."""
    path, access = rules(1)["rules"][-1]
    assert ("/tmp", 0, 0) == (path, access & 1, access & (1 << 6 | 1 << 11))
    assert 0 == rules(9)["rules"][-1][1] & 1 << 15


def test_network_by_choice():
    """With the network open Landlock says nothing of it."""
    assert 0 == rules(9, network=True)["network"]


@pytest.mark.parametrize(("landlock", "expected"), [(2, (False, False)), (3, (False, True)), (6, (True, True))])
def test_what_versions_know(landlock, expected):
    """Signals and truncation are known from a version on."""
    kernel = Kernel(machine="x86_64", landlock=landlock)
    assert expected == (kernel.scopes_signals, kernel.rules_truncation)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be asked")
def test_orphans_are_adopted():
    """After it the system says that orphans come here."""
    adopt_orphans()
    answer = ctypes.c_int()
    ctypes.CDLL(None).prctl(37, ctypes.byref(answer), 0, 0, 0)
    assert 1 == answer.value
