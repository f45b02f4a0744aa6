#!/bin/sh
# First boot: bring membox onto this machine, then let it make the machine a box, as /etc/membox/site.yml says.
# Ends in a healthy box or in one sentence, in the log and on the console; can be run again, and upgrades then.
# By hand: sudo sh first-boot.sh [WHEEL], a file, a URL or a package spec; without one site.yml says where it comes from.
set -eu

answers=/etc/membox/site.yml
home=/opt/membox/provision
log=/var/log/membox-first-boot.log
export DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

say() {
    echo "membox: $*" | tee -a "$log"
    { echo "membox: $*" >/dev/console; } 2>/dev/null || true
}

stop() {
    say "$*"
    exit 1
}

# The last value of a variable in the answers; an image or an operator may add files of their own to site.d.
answer() {
    sed -n "s/^$1:[[:space:]]*[\"']\{0,1\}\([^\"'#]*[^\"'# ]\).*/\1/p" "$answers" /etc/membox/site.d/*.yml 2>/dev/null |
        tail -n 1
}

[ "$(id -u)" = 0 ] || stop "Making this machine a box needs root: run it again with sudo."
umask 022
(umask 077 && touch "$log")
if grep -qs 'PASTE-' "$answers"; then
    stop "The marked line of the cloud-init file still holds its placeholder: put your Tailscale key into" \
        "$answers (or \"\" to sign in by a link) and run $0 again."
fi
python3 -c 'import sys; sys.exit(sys.version_info < (3, 13))' 2>/dev/null ||
    stop "membox needs Python 3.13: make the machine anew from Debian 13, Raspberry Pi OS trixie or Ubuntu 26.04."

say "installing (the log is $log)"
tries=0
until apt-get -o DPkg::Lock::Timeout=300 -qq update >>"$log" 2>&1 &&
    apt-get -o DPkg::Lock::Timeout=300 -qq install --no-install-recommends -y python3-venv python3-apt >>"$log" 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 6 ] || stop "Debian's packages cannot be fetched: check the network and the disk, then run $0 again."
    sleep 10 # a network that is just coming up
done

wheel=${1:-$(answer membox_wheel)}
[ ! -f "$wheel" ] || wheel=$(realpath "$wheel")
# Its own environment: Ansible runs from here, beside the releases that it installs.
[ -x "$home/bin/pip" ] || python3 -m venv "$home" >>"$log" 2>&1
"$home/bin/pip" install --quiet --no-deps --upgrade "${wheel:-membox}" >>"$log" 2>&1 ||
    stop "membox cannot be installed from ${wheel:-membox}: check membox_wheel in $answers and the network," \
        "then run $0 again."
"$home/bin/pip" install --quiet --require-hashes \
    -r "$(echo "$home"/lib/python3*/site-packages/appliance/provision/bundled/requirements-provision.lock)" >>"$log" 2>&1 ||
    stop "What membox needs cannot be installed: check the network and the disk, then run $0 again."

if "$home/bin/membox" provision --local --newest --wipe ${1:+"--wheel=$wheel"} >>"$log" 2>&1; then
    say "this machine is a memory box. To sign in: \`sudo membox login-link\`, or as an owner on your tailnet."
else
    stop "$(tail -n 1 "$log" | sed 's/^membox: //') (Then run $0 again.)"
fi
