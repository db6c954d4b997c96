#!/bin/sh
# Make a virtual environment with pip in it: make_venv.sh PYTHON FOLDER
# Debian splits venv's pip off into a package of its own; without it, a pip or virtualenv of the system will do.
set -eu
python=$1
folder=$2

if [ -z "$python" ]; then
    echo "error: no Python 3.11 or newer found" >&2
    echo "hint: install one, or name it: make PYTHON=/path/to/python3.12 …" >&2
    exit 2
fi
if "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi
if "$python" -c 'import ensurepip' 2>/dev/null && "$python" -m venv "$folder" 2>/dev/null; then
    exit 0
fi
if "$python" -m virtualenv --quiet "$folder" 2>/dev/null || virtualenv --quiet -p "$python" "$folder" 2>/dev/null; then
    exit 0
fi
if "$python" -m venv --without-pip "$folder" 2>/dev/null &&
    "$python" -m pip --python "$folder/bin/python" install --quiet --disable-pip-version-check pip 2>/dev/null; then
    exit 0
fi
echo "error: $python cannot make a virtual environment" >&2
echo "hint: on Debian and Ubuntu: sudo apt-get install python3-venv" >&2
exit 2
