#!/bin/sh
# Brings a virtual environment to the locked requirements and the project itself, editable.
# Usage: tools/setup/venv.sh directory python        A stamp in it makes a second run nearly free.
set -eu
cd "$(dirname "$0")/../.."
venv=$1
python=$2
unset PYTHONPATH PYTHONHOME

version=$("$python" -c 'import sys; print(sys.version)' | tr '\n' ' ')
stamp=$venv/.stamp
state=$(
    echo "$version"
    pwd -P
    cat tools/setup/venv.sh requirements/dev.txt pyproject.toml
)
state=$(printf %s "$state" | sha256sum)
[ "$(cat "$stamp" 2>/dev/null)" != "$state" ] || exit 0

# An environment of another Python, or one that was moved with its folder, is made anew.
ours() {
    [ "$("$venv/bin/python" -c 'import sys; print(sys.version)' 2>/dev/null | tr '\n' ' ')" = "$version" ] &&
        head -n 1 "$venv/bin/pip" 2>/dev/null | grep -qF "$(pwd -P)/$venv/"
}
if ! ours; then
    echo "setup: creating $venv with Python ${version%% *}"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi

pip() {
    "$venv/bin/python" -m pip -qq --disable-pip-version-check --no-input install "$@"
}
echo "setup: installing locked packages into $venv"
pip --require-hashes -r requirements/dev.txt
pip --no-build-isolation --no-deps --editable .
printf '%s\n' "$state" >"$stamp"
