#!/bin/sh
# Make the virtual environment FOLDER ready to work in: tools/make_venv.sh FOLDER VERSION...
#
# Everything comes from the hashed lock, and the project itself is installed editable on top, so that what runs here is what
# the lock says and nothing else. The file FOLDER/.ready tells make that all this was done.
set -eu

folder=$1
shift
python=$folder/bin/python

PYTHON=$python "$(dirname "$0")/find_python.sh" "$@" >/dev/null 2>&1 || {
    base=$("$(dirname "$0")/find_python.sh" "$@")
    echo "setup: creating $folder with $base ($("$base" --version))"
    "$base" -m venv --clear "$folder"
}
echo "setup: installing requirements/dev.txt and this project into $folder"
pip() { "$python" -m pip --disable-pip-version-check --quiet "$@"; }
pip install --require-hashes --requirement requirements/dev.txt
pip install --no-deps --no-build-isolation --editable .
touch "$folder/.ready"
