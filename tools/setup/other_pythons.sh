#!/bin/sh
# Runs the tests on the supported Pythons that .venv is not, as far as this machine has them.
# Usage: tools/setup/other_pythons.sh version... [-- pytest arguments]      Versions look like 3.13.
set -eu
cd "$(dirname "$0")/../.."

# Prints an interpreter that really runs: a shim on PATH may name a version that is not selected.
find_python() {
    beside=$(.venv/bin/python -c 'import os, sys; print(os.path.dirname(sys.base_prefix))')
    for candidate in "$(command -v "python$1" || true)" "$beside/$1".*/bin/"python$1" \
        "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/"$1".*/bin/"python$1"; do
        if "$candidate" -c 'import ensurepip, sqlite3, ssl, venv' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

own=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
versions=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    versions="$versions $1"
    shift
done
[ $# -eq 0 ] || shift
for version in $versions; do
    [ "$version" != "$own" ] || continue
    if ! python=$(find_python "$version"); then
        echo "not run on Python $version: this machine has no working one"
    elif ! sh tools/setup/venv.sh ".venv-$version" "$python"; then
        echo "not run on Python $version: the locked packages could not be installed for it"
    else
        ".venv-$version/bin/python" -m pytest "$@"
    fi
done
