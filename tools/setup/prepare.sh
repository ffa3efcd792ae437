#!/bin/sh
# Prepares this checkout for work: Debian packages where it may install them, then .venv.
# Usage: tools/setup/prepare.sh [python]     Needs: python 3.11 or newer. Takes about a second if nothing changed.
set -eu
cd "$(dirname "$0")/../.."
python=${1:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "setup: '$python' is not Python 3.11 or newer; name one with: make setup PYTHON=/path/to/python3" >&2
    exit 1
}

# The Debian packages that are not here: what tests compare against, compile and trace with, and venv.
wanted() {
    PATH=$PATH:/usr/sbin:/sbin # where mosquitto lives, and a user's PATH may not point
    command -v mosquitto >/dev/null || echo mosquitto
    command -v mbpoll >/dev/null || echo mbpoll
    command -v strace >/dev/null || echo strace
    command -v gcc >/dev/null || echo gcc
    [ -e /usr/include/stdio.h ] || echo libc6-dev
    [ -e /usr/include/modbus/modbus.h ] || echo libmodbus-dev
    [ -x .venv/bin/python ] || "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

missing() {
    wanted | tr '\n' ' ' | sed 's/ $//'
}

# What could not be installed is not asked for again on every run; `make clean` forgets it.
refused=.cache/setup-refused
packages=$(missing)
if [ -n "$packages" ] && [ "$packages" != "$(cat "$refused" 2>/dev/null)" ]; then
    advice="as root: apt-get install --no-install-recommends"
    if ! command -v apt-get >/dev/null; then
        advice="no apt-get here; install what Debian calls"
    elif [ "$(id -u)" = 0 ]; then
        sh tools/setup/debian.sh $packages || true
    elif sudo -n true 2>/dev/null; then
        sudo -n sh tools/setup/debian.sh $packages || true
    fi
    packages=$(missing)
    case " $packages " in
    "  ") rm -f "$refused" ;;
    *" python3-venv "*)
        echo "setup: '$python' cannot make a virtual environment; $advice $packages" >&2
        exit 1
        ;;
    *)
        echo "setup: going on without what some tests compare against; $advice $packages" >&2
        mkdir -p .cache
        echo "$packages" >"$refused"
        ;;
    esac
fi

exec sh tools/setup/venv.sh .venv "$python"
