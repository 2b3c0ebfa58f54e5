# Throw-away servers on free loopback ports, stopped on exit.
# shellcheck disable=SC2154,SC2164 # scripts/test sets $scratch and -e

server_pids=()

stop_servers() {
    local pid
    for pid in "${server_pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${server_pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    server_pids=()
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# wait_for SECONDS LABEL LOG COMMAND...: until the command succeeds.
wait_for() {
    local deadline=$((SECONDS + $1)) label=$2 log=$3
    shift 3
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $deadline ]; then
            cat "$log" >&2
            die "$label did not get ready"
        fi
        sleep 0.2
    done
}

start_databases() {
    if [ -n "${DATABASE_URL-}" ]; then
        say "PostgreSQL: the server that DATABASE_URL names"
    else
        start_postgres
    fi
    if [ -n "${REDIS_URL-}" ]; then
        say "Redis: the server that REDIS_URL names"
    else
        start_redis
    fi
}

# The folder of the newest PostgreSQL server (Debian keeps it off PATH), empty if there is none.
postgres_bin() {
    local initdb
    initdb=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -1)
    initdb=${initdb:-$(command -v initdb)}
    if [ -n "$initdb" ]; then dirname "$(readlink -f "$initdb")"; fi
}

start_postgres() {
    local bin port data="$scratch/postgres" as=()
    bin=$(postgres_bin)
    port=$(free_port)
    mkdir "$data"
    if [ "$(id -u)" = 0 ]; then # PostgreSQL refuses to run as root
        chown postgres: "$data"
        as=(setpriv --reuid=postgres --regid=postgres --clear-groups --)
    fi
    (
        cd "$data"
        quietly initdb "${as[@]}" env LC_ALL=C.UTF-8 "$bin/initdb" --username=countersign --auth=trust \
            --encoding=UTF8 --no-sync --pgdata="$data/data"
    )
    (
        cd "$data"
        # Nothing here outlives the tests, so nothing needs to reach the disk.
        exec "${as[@]}" "$bin/postgres" -D "$data/data" -p "$port" -k "$data" -c listen_addresses=127.0.0.1 \
            -c max_connections=300 -c fsync=off -c synchronous_commit=off -c full_page_writes=off
    ) >"$scratch/postgres.log" 2>&1 </dev/null &
    server_pids+=($!)
    export DATABASE_URL="postgres://countersign@127.0.0.1:$port/postgres"
    wait_for 60 PostgreSQL "$scratch/postgres.log" "$bin/pg_isready" -h 127.0.0.1 -p "$port"
    say "PostgreSQL $("$bin/postgres" --version | cut -d' ' -f3): started on port $port"
}

start_redis() {
    local port
    port=$(free_port)
    mkdir "$scratch/redis"
    redis-server --bind 127.0.0.1 --port "$port" --dir "$scratch/redis" --save '' --appendonly no \
        >"$scratch/redis.log" 2>&1 </dev/null &
    server_pids+=($!)
    export REDIS_URL="redis://127.0.0.1:$port/"
    wait_for 30 Redis "$scratch/redis.log" grep -q 'Ready to accept connections' "$scratch/redis.log"
    say "Redis $(redis-server --version | sed 's/.*v=\([^ ]*\).*/\1/'): started on port $port"
}
