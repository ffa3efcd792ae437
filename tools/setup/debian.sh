#!/bin/sh
# Installs Debian packages as root, without starting or enabling the services they bring.
# Usage: tools/setup/debian.sh package...
set -eu
export DEBIAN_FRONTEND=noninteractive

log=$(mktemp)
policy=/usr/sbin/policy-rc.d
own_policy=
finish() {
    [ -z "$own_policy" ] || rm -f "$policy"
    rm -f "$log"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# invoke-rc.d(8): 101 forbids the action. A policy that the machine already has is left alone.
if [ ! -e "$policy" ]; then
    own_policy=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

# One slow mirror or another apt at work must not hang the set-up.
apt() {
    apt-get -q -y -o DPkg::Lock::Timeout=60 -o Acquire::Retries=1 -o Acquire::http::Timeout=20 \
        -o Acquire::https::Timeout=20 "$@" >>"$log" 2>&1 </dev/null
}

had_broker=
[ ! -x /usr/sbin/mosquitto ] || had_broker=yes

echo "setup: installing Debian packages: $*"
apt update || true # the lists at hand may do
if ! apt install --no-install-recommends "$@"; then
    for package; do # one that is unknown here must not keep the others out
        apt install --no-install-recommends "$package" || {
            echo "setup: apt-get could not install $package: $(grep -m 1 '^E:' "$log" || echo unknown reason)" >&2
            : >"$log"
        }
    done
fi

# Tests start brokers of their own; a package that came with us must not open a port at the next boot.
if [ -z "$own_policy" ] || [ -n "$had_broker" ]; then exit 0; fi
if command -v systemctl >/dev/null; then
    systemctl --quiet disable mosquitto.service >/dev/null 2>&1 || true
fi
