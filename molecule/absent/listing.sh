#!/bin/sh
# What a machine has, a line each: users, groups, units, firewall rules, listeners, and files. Left out is what comes and
# goes by itself, the packages' own, and the copies of a box, which are its owner's to remove.
set -eu

getent passwd | sed 's/:.*//; s/^/user: /'
getent group | sed 's/:.*//; s/^/group: /'
systemctl list-unit-files --no-legend --plain | awk '{print "unit: " $1, $2}'
if command -v nft >/dev/null; then nft list ruleset | sed 's/^/rule: /'; fi
ss --no-header --listening --numeric --tcp --udp | awk '{print "listens: " $1, $5}'

packaged=$(mktemp)
cat /var/lib/dpkg/info/*.list | sort --unique >"$packaged"
find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/log \
    -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/systemd -o -path /usr/lib/python3 \
    -o -path /root/.ansible -o -path /dev -o -path /srv/copies -o -path /var/lib/ucf -o -path "/etc/*-" -o -name __pycache__ \) -prune -o -print |
    sort | comm -23 - "$packaged" | sed 's/^/file: /'
rm "$packaged"
