#!/bin/sh
# What Claude Code's hooks run: tells the box what happens in a session (membox session hooks install).
# The agent never waits long for this and never fails by it: what goes wrong is counted, and told at the next call.
[ "${MEMBOX_HOOKS:-on}" = on ] || exit 0
exec 2>/dev/null
here=${0%/*}
project=${CLAUDE_PROJECT_DIR:-$PWD}
case $project in *[[:cntrl:]]*) project= ;; esac

# A call that is cut off has been counted already.
failures=0
[ ! -s "$here/failures" ] || failures=$(wc -c <"$here/failures")
printf . >>"$here/failures"

# The address and the key stand in a file: a process's arguments are anybody's to read.
tell() {
    curl --config "$here/curl" --header "X-Membox-Project: $project" --header "X-Membox-Hook-Failures: $((failures))" \
        "$@" --data-binary @-
}

# How full the context is stands in the last record of use in the transcript.
tell_with_usage() {
    event=$(cat)
    transcript=$(printf '%s' "$event" | sed -n 's/.*"transcript_path" *: *"\([^"\\]*\)".*/\1/p')
    usage=$(tail -c 200000 -- "$transcript" | grep -o '"usage": *{[^}]*' | tail -n 1 | cut -c 1-600)
    printf '%s' "$event" | tell --header "X-Membox-Usage: $usage"
}

case ${1-} in
Stop) answer=$(tell_with_usage) ;;
*) answer=$(tell) ;;
esac || exit 0
printf '' >"$here/failures" # by ":" a shell may end here with 2, which blocks a prompt
[ "$answer" = '{}' ] || printf '%s\n' "$answer"
exit 0
