#!/bin/sh
# Print the path of a CPython of one of the VERSIONS: tools/find_python.sh VERSION...
#
# Looks at $PYTHON alone when that is set; else at python3, at python3.x and at what pyenv keeps. A name on the PATH proves
# nothing (pyenv leaves shims that only print an error), so each one is run and asked, also for what a venv needs.
set -eu

version_of() {
    "$1" -c 'import ensurepip, sys, venv; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

candidates() {
    if [ -n "${PYTHON:-}" ]; then
        echo "$PYTHON"
        return
    fi
    echo python3
    for version in "$@"; do
        echo "python$version"
        ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python3 2>/dev/null || true
    done
}

for candidate in $(candidates "$@"); do
    found=$(version_of "$candidate")
    for version in "$@"; do
        if [ "$found" = "$version" ]; then
            command -v "$candidate"
            exit 0
        fi
    done
done
echo "No Python with the modules venv and ensurepip found for any of: $*." >&2
echo "Looked at: $(candidates "$@" | tr '\n' ' ')" >&2
echo "Name one with: make PYTHON=python3.11 ..." >&2
exit 1
