"""What docstrings say."""

import inspect

import pytest

from kelpie_core.tool_docstring import Described, read_docstring

GOOGLE = """
    Add two numbers.

    Slowly.

    Args:
        a (int): one
        b: other,
            on two lines
        *rest: more
        c (Optional[int]):
            below

    Returns:
        int: the sum
    """
NUMPY = """
    Add two numbers.

    Parameters
    ----------
    a : int
        one
    b
        other,
        on two lines

    Returns
    -------
    int
        the sum
    """
REST = """
    Add two numbers.

    :param a: one
    :param int b: other,
        on two lines
    :returns: the sum
        of both
    :rtype: int
    """


@pytest.mark.parametrize(
    ("docstring", "text", "arguments"),
    [
        (GOOGLE, "Add two numbers.\n\nSlowly.", {"a": "one", "b": "other, on two lines", "rest": "more", "c": "below"}),
        (NUMPY, "Add two numbers.", {"a": "one", "b": "other, on two lines"}),
        (REST, "Add two numbers.", {"a": "one", "b": "other, on two lines"}),
        ("Only words.", "Only words.", {}),
        ("", "", {}),
        ("Words.\n\nReturns:\n    int", "Words.", {}),
        ("Words.\n\nParameters:\n    a: one\nMore words.", "Words.", {"a": "one"}),
        ("Words.\n\nArgs:\n    not an entry", "Words.", {}),
        ("Words.\n\nArgs:\n    a:\n", "Words.", {}),
        ("Words.\n\n:param a:\n:raises X: never", "Words.", {}),
        ("Words.\n\nParameters\n----------\n\n  odd\na\n    one", "Words.", {"a": "one"}),
        ("Words.\n\n:param a: one\n\nend", "Words.", {"a": "one end"}),
        ("Words.\n\n:param a: one\n:raises X: never\n    really", "Words.", {"a": "one"}),
        ("Returns: a thing", "Returns: a thing", {}),
        ("\n    Args:\n        a: one", "", {"a": "one"}),
    ],
)
def test_docstring(docstring, text, arguments):
    """Three styles are read: the description up to its first section, and a line for each argument."""
    assert Described(text=text, arguments=arguments) == read_docstring(inspect.cleandoc(docstring))
