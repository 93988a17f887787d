#!/bin/sh
# Make the environments of what the benches compare with: .venv-bench on Python 3.11 and .venv-bench-3.12 on Python 3.12.
#
# They are kept apart from the one we work in, since some peers change pytest or the loop. A Python that is missing is said and
# skipped, and the benches skip its figures too.
set -eu

for version in 3.11 3.12; do
    folder=.venv-bench
    if [ "$version" != 3.11 ]; then
        folder=.venv-bench-$version
    fi
    if [ "$folder/.ready" -nt requirements/bench.txt ]; then
        continue
    fi
    if base=$(PYTHON="" tools/find_python.sh "$version" 2>/dev/null); then
        PYTHON=$base LOCK=requirements/bench.txt tools/make_venv.sh "$folder" "$version"
    else
        echo "skipped: Python $version is not on this machine, and neither are its figures"
    fi
done
