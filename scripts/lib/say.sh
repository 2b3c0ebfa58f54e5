# Messages: progress on stdout, trouble on stderr.
# shellcheck disable=SC2154 # scripts/test sets $scratch

say() { printf '==> %s\n' "$*"; }

die() { printf 'scripts/test: %s\n' "$*" >&2; exit 2; }

# quietly LABEL COMMAND...: shows the output of the command only if it fails.
quietly() {
    local label=$1 log="$scratch/quietly.log"
    shift
    "$@" >"$log" 2>&1 </dev/null && return
    cat "$log" >&2
    die "$label failed"
}
