# Runs the suites and counts. A suite that ran nothing without a filter is a failure,
# and so is an ignored test: nothing is skipped silently.
# shellcheck disable=SC2154 # scripts/test sets $scratch and $filter

passed=0
failed=0
report=() # one line per suite for the summary

# count LABEL PASSED FAILED SKIPPED EXIT_CODE
count() {
    local label=$1 good=$2 bad=$3 skipped=$4 code=$5
    if [ "$skipped" -gt 0 ]; then
        say "$label: $skipped tests were skipped; a skipped test counts as failed"
        bad=$((bad + skipped))
    fi
    if [ "$code" != 0 ] && [ "$bad" = 0 ]; then
        say "$label: the runner failed (exit code $code) without naming a test"
        bad=1
    fi
    if [ "$((good + bad))" = 0 ] && [ -z "$filter" ]; then
        say "$label: no test ran"
        bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    report+=("$(printf '%-44s %5d passed %5d failed' "$label" "$good" "$bad")")
}

# sum PATTERN FILE: adds up the number in every line that the sed pattern \1 finds.
sum() { sed -nE "s/$1/\\1/p" "$2" | awk '{ n += $1 } END { print n + 0 }'; }

rust_suite() {
    local log="$scratch/rust.log" code=0
    say "cargo test --workspace"
    cargo test --workspace --no-fail-fast --color never -- ${filter:+"$filter"} 2>&1 </dev/null | tee "$log" || code=$?
    count "Rust" \
        "$(sum '^test result: .* ([0-9]+) passed;.*' "$log")" \
        "$(sum '^test result: .* ([0-9]+) failed;.*' "$log")" \
        "$(sum '^test result: .* ([0-9]+) ignored;.*' "$log")" "$code"
    report+=("  of these by database and store: $(by_backend "$log")")
}

# Tests that run once per database or store carry its name in their path.
by_backend() {
    local name parts=()
    for name in sqlite postgres embedded redis; do
        parts+=("$name $(grep -cE "^test .*$name.* \.\.\. ok$" "$1" || true)")
    done
    local IFS=,
    printf '%s' "${parts[*]}" | sed 's/,/, /g'
}

summary() {
    echo
    say "Summary"
    printf '%s\n' "${report[@]}"
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
