# Something that runs beside the rest of a script, and ends with it: with all that it has started. To be sourced.

background=""

# Run a command with its output in the file $1, in a process group of its own.
in_background() {
    local log=$1
    shift
    set -m
    "$@" >"$log" 2>&1 </dev/null &
    background=$!
    set +m
}

# Wait for it; the status is the command's.
wait_for_background() {
    local status=0
    wait "$background" || status=$?
    background=""
    return "$status"
}

# End it, if it still runs: for a trap on EXIT. A subshell that is killed by itself leaves its children behind.
end_background() {
    [ -n "$background" ] || return 0
    kill -- "-$background" 2>/dev/null || true
    wait "$background" 2>/dev/null || true
    background=""
}
