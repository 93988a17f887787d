#!/bin/sh
# Make the virtual environment FOLDER ready to work in: tools/make_venv.sh FOLDER VERSION...
#
# Everything comes from the hashed lock ($LOCK, or that of development), and the project itself is installed editable on top,
# so that what runs here is what the lock says and nothing else. A lock without the tools to build gets the project by a path
# file instead. The file FOLDER/.ready tells make that all this was done.
set -eu

lock=${LOCK:-requirements/dev.txt}

folder=$1
shift
python=$folder/bin/python

PYTHON=$python "$(dirname "$0")/find_python.sh" "$@" >/dev/null 2>&1 || {
    base=$("$(dirname "$0")/find_python.sh" "$@")
    echo "setup: creating $folder with $base ($("$base" --version))"
    "$base" -m venv --clear "$folder"
}
echo "setup: installing $lock and this project into $folder"
pip() { "$python" -m pip --disable-pip-version-check --quiet "$@"; }
pip install --require-hashes --requirement "$lock"
if "$python" -c 'import editables, hatchling' 2>/dev/null; then
    pip install --no-deps --no-build-isolation --editable .
else
    pwd >"$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/kelpie.pth"
fi
touch "$folder/.ready"
