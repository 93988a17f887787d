#!/bin/sh
# Run COMMAND with the python of each supported version that this machine has: tools/each_python.sh "VERSIONS" COMMAND...
#
# A version that is missing is said and skipped; each one found gets a virtual environment of its own from the same lock.
# The main one, $VENV, serves its own version.
set -eu

versions=$1
shift
main=${VENV:-.venv}
main_version=$("$main/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
for version in $versions; do
    folder=$main
    if [ "$version" != "$main_version" ]; then
        if ! base=$(PYTHON="" tools/find_python.sh "$version" 2>/dev/null); then
            echo "skipped: Python $version is not on this machine"
            continue
        fi
        folder=.venv-$version
        make --no-print-directory setup VENV="$folder" VERSIONS="$version" PYTHON="$base"
    fi
    echo "Python $version: python $*"
    "$folder/bin/python" "$@"
done
