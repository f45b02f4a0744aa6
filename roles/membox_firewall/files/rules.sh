#!/bin/sh
# rules.sh try WANTED IN_FORCE SECONDS: loads the rules of WANTED when they are not in force, and prints `tried`. After
# SECONDS the box goes back to IN_FORCE, or to no rules of ours, unless before that comes
# rules.sh keep WANTED IN_FORCE: WANTED is what is in force from now on.
set -eu
verb=$1 wanted=$2 in_force=$3 seconds=${4:-}

if [ "$verb" = keep ]; then
    systemctl stop membox-firewall-undo.timer
    cp "$wanted" "$in_force"
    sync "$in_force"
    exit
fi

if ! nft list tables >/dev/null 2>&1; then
    echo "This machine may not have a firewall of its own, as a container without CAP_NET_ADMIN: allow it that, or leave" \
        "the firewall to its host (membox_firewall_state: absent)." >&2
    exit 1
fi
if cmp -s "$wanted" "$in_force" && nft list table inet membox >/dev/null 2>&1; then
    exit
fi
if ! said=$(nft --check --file "$wanted" 2>&1); then
    echo "The rules cannot be loaded ($(echo "$said" | sed q)): correct membox_firewall_extra_rules." >&2
    exit 1
fi

undo='nft add table inet membox; nft delete table inet membox'
test -e "$in_force" && undo="nft --file $in_force"
systemctl stop membox-firewall-undo.timer 2>/dev/null || true
systemd-run --quiet --collect --unit=membox-firewall-undo --on-active="$seconds" --timer-property=AccuracySec=1s \
    /bin/sh -c "$undo"
nft --file "$wanted"
echo tried
