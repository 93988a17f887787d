"""House style as a test: each rule of tests/tidy is held against the tree, and against two examples of its own.

A rule says at its head what holds. To add one: a function in tests/tidy, and a row here.
"""

import attrs
import pytest

from tests.tidy import honesty, prose, shape, walls
from tests.tidy.tree import Finding, Rule, Source, Tree, read_tree

# Words that the examples need but that no file here may hold as they stand.
ASSERT = "ass" + "ert"
EXCEPT = "exc" + "ept"
PROJECT = '[project]\ndependencies = ["attrs>=26.1"]\n[project.optional-dependencies]\nserver = ["apsw>=3"]\n'


def lines(count: int) -> str:
    """Return a file of so many lines that do nothing."""
    return "x = 1\n" * count


def function(count: int) -> str:
    """Return a function of so many lines, its signature included."""
    return "def f() -> None:\n" + "    x = 1\n" * (count - 1)


@attrs.frozen
class Case:
    """A rule with a tree that it lets pass and a tree in which it finds each of the files named in `blamed`."""

    rule: Rule
    good: dict[str, str]
    bad: dict[str, str]
    blamed: tuple[str, ...] = ()  # all the bad files when empty

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.rule.__name__


CASES = (
    Case(
        walls.import_walls,
        good={
            "kelpie_server/app.py": "from kelpie_core.kelpie import Kelpie\n",
            "kelpie_sim/agents/store.py": "import kelpie_core.ports\n",
            "kelpie_sim/__main__.py": "from kelpie_sim.agents import scenarios\n",
            "kelpie_core/service/turns.py": "import asyncio\n",
        },
        bad={
            "kelpie_core/ids.py": "def f() -> None:\n    import kelpie_server.app\n",
            "kelpie_core/turn/machine.py": "import asyncio\n",
            "kelpie_server/app.py": "from kelpie_sim import loop\n",
            "kelpie_sim/loop.py": "import kelpie_core\n",
            "kelpie_sim/sweep.py": "from kelpie_sim import agents\n",
        },
    ),
    Case(
        walls.core_imports,
        good={"kelpie_core/ids.py": "from datetime import datetime\n", "kelpie_sim/seed.py": "import random\n"},
        bad={"kelpie_core/ids.py": "from os import path\n", "kelpie_core/a/b.py": "import urllib.request\n"},
    ),
    Case(
        walls.core_calls,
        good={"kelpie_core/a.py": "import re\nre.compile('x')\nclock.now()\n", "kelpie_server/a.py": "open('x')\n"},
        bad={
            "kelpie_core/a.py": "datetime.now(UTC)\n",
            "kelpie_core/b.py": "print('x')\n",
            "kelpie_core/c.py": "def f() -> None:\n    global counter\n",
        },
    ),
    Case(
        walls.core_order,
        good={"kelpie_core/a.py": "for x in sorted({1, 2}):\n    pass\n"},
        bad={"kelpie_core/a.py": "for x in {1, 2}:\n    pass\n", "kelpie_core/b.py": "y = [x for x in set(z)]\n"},
    ),
    Case(
        walls.declared_dependencies,
        good={
            "pyproject.toml": PROJECT,
            "kelpie_core/a.py": "import attrs\nimport re\n",
            "kelpie_server/a.py": "import apsw\nimport attrs\nimport kelpie_core\n",
            "kelpie_sim/pytest_plugin.py": "import pytest\n",
        },
        bad={
            "pyproject.toml": PROJECT,
            "kelpie_core/a.py": "import apsw\n",
            "kelpie_server/a.py": "import rich\n",
        },
    ),
    Case(
        shape.function_length,
        good={"kelpie_core/a.py": function(60)},
        bad={"kelpie_core/a.py": function(61), "tests/test_a.py": function(61)},
    ),
    Case(
        shape.function_median,
        good={"kelpie_core/a.py": function(6) + function(60) + function(5)},
        bad={"kelpie_core/a.py": function(7) + function(60) + function(5)},
        blamed=("kelpie_core",),
    ),
    Case(
        shape.module_length,
        good={"kelpie_core/a.py": lines(400), "tests/test_a.py": lines(401)},
        bad={"kelpie_core/a.py": lines(401)},
    ),
    Case(
        shape.mirrored_tests,
        good={
            "kelpie_core/turn/machine.py": lines(1),
            "tests/core/turn/test_machine.py": "",
            "kelpie_server/__main__.py": lines(1),
            "tests/server/test_main.py": "",
            "kelpie_core/__init__.py": '"""Only names."""\nfrom kelpie_core.a import b\n__all__ = ["b"]\n',
        },
        bad={"kelpie_core/turn/machine.py": lines(1), "kelpie_sim/__init__.py": lines(1)},
    ),
    Case(
        shape.package_map,
        good={
            "kelpie_core/__init__.py": '"""turn/ and ids.py"""\n',
            "kelpie_core/ids.py": "",
            "kelpie_core/turn/a.txt": "",
        },
        bad={"kelpie_core/__init__.py": '"""Ids."""\n', "kelpie_core/ids.py": "", "kelpie_sim/world/disk.py": ""},
        blamed=("kelpie_core/__init__.py", "kelpie_sim/__init__.py", "kelpie_sim/world/__init__.py"),
    ),
    Case(
        prose.banned_text,
        good={"README.md": "Work on /var/lib, in teamwork/x\n"},
        bad={
            "a.md": "from py" + "pi.org\n",
            "b.py": "x = '/wo" + "rk/main'\n",
            "c.py": "# TO" + "DO later\n",
            "d.md": "<" * 7 + " HEAD\n",
        },
    ),
    Case(
        prose.locks,
        good={"requirements/dev.txt": "attrs==26.1.0 \\\n    --hash=sha256:00\n    # via kelpie (pyproject.toml)\n"},
        bad={
            "requirements/dev.txt": "--index-url elsewhere\n",
            "requirements/docs.txt": "attrs @ https://example.com/attrs.whl\n",
            "requirements/runtime.txt": "attrs==26.1.0\n    # via -r /some/where/dev.in\n",
            "uv.lock": "",
        },
    ),
    Case(
        prose.links,
        good={
            "docs/how-to/a.md": "[b](../b.md#part) [c](https://example.com) [d](../../seeds)\n",
            "docs/b.md": "",
            "seeds/a.toml": "",
        },
        bad={"docs/a.md": "[b](b.md)\n"},
    ),
    Case(
        prose.module_docstrings,
        good={"kelpie_core/a.py": '"""What it is."""\n'},
        bad={"kelpie_core/a.py": "# what it is\n", "tests/test_a.py": ""},
    ),
    Case(
        prose.core_docstrings,
        good={
            "kelpie_core/a.py": 'def f() -> None:\n    """Do it."""\n\n\ndef _g() -> None:\n    pass\n',
            "kelpie_core/b.py": "class A:\n    @x.validator\n    def check(self) -> None:\n        pass\n",
        },
        bad={
            "kelpie_core/a.py": "def f() -> None:\n    pass\n",
            "kelpie_core/b.py": "class A:\n    async def f(self) -> None:\n        pass\n",
        },
    ),
    Case(
        prose.signatures,
        good={
            "kelpie_core/a.py": "def f(x: object) -> 'Company': ...\ndef _g(x: Any) -> None: ...\n",
            "kelpie_sim/a.py": "def f(x: Coroutine[Any, Any, int]) -> None: ...\n",
            "kelpie_sim/loop.py": "def call_soon(*arguments: Any) -> None: ...\n",
        },
        bad={
            "kelpie_core/a.py": "def f(x: dict[str, Any]) -> None: ...\n",
            "kelpie_sim/a.py": "class A:\n    def f(self) -> 'list[Any]': ...\n",
            "kelpie_sim/b.py": "def f(x: Coroutine[Any, Any, Any]) -> None: ...\n",
            "kelpie_server/a.py": "def f(**rest: typing.Any) -> None: ...\n",
        },
    ),
    Case(
        prose.documented_tests,
        good={
            "tests/test_a.py": 'def test_a():\n    """It works."""\n\n\ndef make():\n    pass\n',
            "tests/b.py": function(2),
        },
        bad={"tests/test_a.py": "class TestA:\n    def test_a(self):\n        pass\n"},
    ),
    Case(
        honesty.weak_asserts,
        good={"tests/test_a.py": f"{ASSERT} 200 == status\n{ASSERT} key in (1, 2)\n{ASSERT} len(x) >= 1\n"},
        bad={
            "tests/test_a.py": f"{ASSERT} answer.status_code in (200, 500)\n",
            "tests/test_b.py": f"{ASSERT} True\n",
            "tests/test_c.py": f"{ASSERT} len(x) >= 0\n",
            "tests/test_d.py": f"{ASSERT} ok or error\n",
        },
    ),
    Case(
        honesty.swallowed_errors,
        good={
            "kelpie_core/a.py": f"try:\n    f()\n{EXCEPT} KeyError:\n    g()\n",
            "kelpie_core/b.py": f"try:\n    f()\n{EXCEPT} BaseException:\n    g()\n    raise\n",
            "kelpie_core/c.py": f"try:\n    f()\n{EXCEPT} Exception as error:\n    tell(error)\n",
            "kelpie_core/d.py": "with contextlib.suppress(KeyError):\n    f()\n",
        },
        bad={
            "kelpie_core/a.py": f"try:\n    f()\n{EXCEPT} KeyError:\n    pass\n",
            "kelpie_core/b.py": f"try:\n    f()\n{EXCEPT}:\n    g()\n",
            "kelpie_core/c.py": f"try:\n    f()\n{EXCEPT} Exception:\n    raise\n",
            "tests/test_d.py": f"try:\n    f()\n{EXCEPT} BaseException:\n    g()\n",
            "tests/test_e.py": "with suppress(Exception):\n    f()\n",
        },
    ),
    Case(
        honesty.coverage_escapes,
        good={"kelpie_core/a.py": "x = 1  # a pragma: of another kind\n"},
        bad={"kelpie_core/a.py": "x = 1  # pragma:" + " no cover\n"},
    ),
)


@pytest.fixture(scope="module")
def repository() -> Tree:
    """Return the files of this repository."""
    return read_tree()


def tree_of(files: dict[str, str]) -> Tree:
    """Return a tree with these paths and texts."""
    return tuple(Source(path, text) for path, text in files.items())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_tree_is_tidy(case: Case, repository: Tree) -> None:
    """The repository keeps the rule; each line below says where it does not, and what to do."""
    found = [str(finding) for finding in case.rule(repository)]
    if found:
        pytest.fail("\n".join((case.rule.__doc__ or case.name, *found)), pytrace=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rule_lets_good_example_pass(case: Case) -> None:
    """A tree that keeps the rule gives no finding."""
    assert [] == list(case.rule(tree_of(case.good)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rule_finds_bad_example(case: Case) -> None:
    """A tree that breaks the rule gives a finding in each file that breaks it."""
    found = {finding.path for finding in case.rule(tree_of(case.bad))}
    assert set(case.blamed or case.bad) == found


def test_waivers_are_needed(repository: Tree) -> None:
    """Each waiver names a file that still needs it, so that the list only shrinks."""
    assert [] == list(shape.waivers(repository))


def test_waiver_without_need_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A waiver for a file that is short, tested or gone is a finding."""
    monkeypatch.setattr(shape, "LONG_MODULES", {"kelpie_core/a.py": "reason"})
    monkeypatch.setattr(shape, "WITHOUT_TEST_MODULE", {"kelpie_core/a.py": "reason", "kelpie_core/b.py": "reason"})
    tree = tree_of({"kelpie_core/a.py": lines(400), "tests/core/test_a.py": "", "kelpie_core/c.py": ""})
    assert 3 == len(list(shape.waivers(tree)))


def test_waiver_lifts_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module with a waiver may have 500 lines, and not one more."""
    monkeypatch.setattr(shape, "LONG_MODULES", {"kelpie_core/a.py": "reason", "kelpie_core/b.py": "reason"})
    tree = tree_of({"kelpie_core/a.py": lines(500), "kelpie_core/b.py": lines(501)})
    assert ["kelpie_core/b.py"] == [finding.path for finding in shape.module_length(tree)]


def test_finding_reads_as_a_place() -> None:
    """A finding prints as path, line and what is wrong, so that an editor can jump there."""
    assert "kelpie_core/a.py:3: is wrong" == str(Finding("kelpie_core/a.py", 3, "is wrong"))


def test_tree_holds_this_file(repository: Tree) -> None:
    """The tree is read from disk whole, so that no rule passes for want of files."""
    assert {"tests/test_tidy.py", "pyproject.toml", "Makefile"} <= {source.path for source in repository}
