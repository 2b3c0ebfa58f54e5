# Runs the suites and counts. A suite that ran nothing without a filter is a failure,
# and so is an ignored test: nothing is skipped silently.
# shellcheck disable=SC2154 # scripts/test sets $scratch and $filter

passed=0
failed=0
report=() # one line per suite for the summary
since=$SECONDS # when the present part began

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
    report+=("$(printf '%-44s %5d passed %5d failed %5d s' "$label" "$good" "$bad" "$(lap)")")
    since=$SECONDS
}

# The seconds since the last part of the run ended.
lap() { printf %d $((SECONDS - since)); }

# part LABEL: notes in the summary how long something other than a suite took.
part() {
    report+=("$(printf '%-44s %31d s' "$1" "$(lap)")")
    since=$SECONDS
}

# sum PATTERN FILE: adds up what the group of the pattern finds in all lines.
sum() { sed -nE "s/$1/\\1/p" "$2" | awk '{ n += $1 } END { print n + 0 }'; }

rust_suite() {
    local log="$scratch/rust.log" code=0
    say "cargo test --workspace"
    part "Installing, starting servers"
    cargo test --workspace --no-run </dev/null || true # the run below says and counts it
    part "Building the Rust tests"
    DATABASE_URL=$postgres_url REDIS_URL=$redis_url cargo test --workspace --no-fail-fast --color never -- ${filter:+"$filter"} 2>&1 </dev/null | tee "$log" || code=$?
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

# With the tests' features, so that nothing is compiled a second time after cargo test.
build_binaries() {
    say "cargo build"
    cargo build --workspace --all-targets </dev/null
    part "Building the binaries"
    local target
    target=$(cargo metadata --format-version 1 --no-deps | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')
    export COUNTERSIGN_BIN="$target/debug/countersign" RESOURCE_SERVER_BIN="$target/debug/resource-server"
}

# Other people's clients, on both pairs of database and store.
client_suites() {
    start_countersign "SQLite + embedded"
    node_suite "Node clients" tests/clients/node
    python_suite
    stop_countersign
    start_countersign "PostgreSQL + Redis"
    node_suite "Node clients" tests/clients/node
    python_suite
    stop_countersign
}

browser_suite() {
    start_countersign "SQLite + embedded"
    start_dev
    node_suite "Chromium" tests/browser
    stop_countersign
}

# node_suite LABEL FOLDER
node_suite() {
    local label="$1, $backend" log="$scratch/node.log" code=0
    say "$label"
    node --test --test-concurrency=1 --test-timeout=120000 --test-reporter=spec ${filter:+--test-name-pattern="$filter"} \
        "$2"/*.test.mjs 2>&1 </dev/null | tee "$log" || code=$?
    node_count() { sum "^ℹ $1 ([0-9]+)\$" "$log"; }
    local skipped=$(($(node_count skipped) + $(node_count todo)))
    [ -z "$filter" ] || skipped=0 # what the filter leaves out counts as skipped
    count "$label" "$(node_count pass)" $(($(node_count fail) + $(node_count cancelled))) "$skipped" "$code"
}

python_suite() {
    local label="Python clients, $backend" log="$scratch/python.xml" code=0
    say "$label"
    .venv/bin/python -m pytest -q -p no:cacheprovider --junitxml="$log" ${filter:+-k "$filter"} tests/clients/python </dev/null || code=$?
    [ "$code" != 5 ] || code=0 # nothing matched the filter; count notices if nothing ran at all
    local all bad skipped
    all=$(attribute tests "$log")
    bad=$(($(attribute failures "$log") + $(attribute errors "$log")))
    skipped=$(attribute skipped "$log")
    count "$label" $((all - bad - skipped)) "$bad" "$skipped" "$code"
}

# attribute NAME FILE: a number of the <testsuite> element of a JUnit report.
attribute() { sed -nE "s/.*<testsuite [^>]*\b$1=\"([0-9]+)\".*/\1/p" "$2" | head -1 | grep . || echo 0; }

summary() {
    echo
    say "Summary"
    printf '%s\n' "${report[@]}"
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
