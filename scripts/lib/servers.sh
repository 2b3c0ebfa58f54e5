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

# Sets $postgres_url and $redis_url. They leave the environment: each server under test
# is told by its configuration which stores to use.
start_databases() {
    postgres_url=${DATABASE_URL-}
    redis_url=${REDIS_URL-}
    unset DATABASE_URL REDIS_URL
    if [ -n "$postgres_url" ]; then
        say "PostgreSQL: the server that DATABASE_URL names"
    else
        start_postgres
    fi
    if [ -n "$redis_url" ]; then
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
    postgres_url="postgres://countersign@127.0.0.1:$port/postgres"
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
    redis_url="redis://127.0.0.1:$port/"
    wait_for 30 Redis "$scratch/redis.log" grep -q 'Ready to accept connections' "$scratch/redis.log"
    say "Redis $(redis-server --version | sed 's/.*v=\([^ ]*\).*/\1/'): started on port $port"
}

# start_countersign BACKEND: the built binary on empty stores of that kind, with a demo user and
# demo clients that its own command line registers. $COUNTERSIGN_CONFIG and $COUNTERSIGN_DEMO
# tell the tests where everything is.
start_countersign() {
    backend=$1
    local home port name="countersign_$RANDOM$RANDOM"
    home=$(mktemp -d "$scratch/countersign.XXXXXX")
    port=$(free_port)
    export COUNTERSIGN_CONFIG="$home/countersign.toml" COUNTERSIGN_DEMO="$home/demo.json"
    cat >"$COUNTERSIGN_CONFIG" <<TOML
issuer = "http://localhost:$port"
[server]
address = "127.0.0.1"
port = $port
drain = "0s"
[management]
port = $(free_port)
[keys]
directory = "$home/keys"
[oauth]
response_types = ["code", "code id_token", "code token", "code id_token token", "id_token", "id_token token", "none"]
registration = "open"
[limits] # the tests log the same user in again and again
login_per_account = 10000
login_per_address = 10000
requests = "off"
TOML
    countersign_database=
    if [ "$backend" = "PostgreSQL + Redis" ]; then
        countersign_database=$name
        psql --quiet "$postgres_url" --command "create database $name"
        cat >>"$COUNTERSIGN_CONFIG" <<TOML
[database]
url = "$(database_url "$name")"
[state]
redis_url = "$redis_url"
redis_namespace = "$name"
TOML
    else
        cat >>"$COUNTERSIGN_CONFIG" <<TOML
[database]
url = "sqlite://$home/countersign.db?mode=rwc"
[state]
directory = "$home/state"
TOML
    fi
    "$COUNTERSIGN_BIN" serve --output json >"$home/ready.json" 2>"$home/log" </dev/null &
    countersign_pid=$!
    server_pids+=("$countersign_pid")
    wait_for 60 Countersign "$home/log" grep -q '"ready"' "$home/ready.json"
    seed_demo "http://localhost:$port" >"$COUNTERSIGN_DEMO"
    say "Countersign on $backend: started on port $port"
}

# The demo user and clients, as one JSON document.
seed_demo() {
    local password="a long enough passphrase $RANDOM"
    local scope="openid profile email offline_access"
    register() { "$COUNTERSIGN_BIN" client create --name "$1" --client-id "$@" --output json </dev/null; }
    printf '%s' "$password" | "$COUNTERSIGN_BIN" user add demo --password-stdin --email demo@example.com \
        --email-verified --given-name Dana --family-name Demo >/dev/null
    {
        register demo-web --web --scope "$scope" --redirect-uri http://localhost:3000/callback \
            --post-logout-redirect-uri http://localhost:3000/
        register demo-spa --spa --scope "$scope" --redirect-uri http://localhost:5173/callback \
            --post-logout-redirect-uri http://localhost:5173/
        register demo-service --service --scope api:read
    } | python3 -c '
import json, sys
decoder, text, clients = json.JSONDecoder(), sys.stdin.read().strip(), {}
while text:
    found, end = decoder.raw_decode(text)
    text = text[end:].strip()
    uris = {name: next(iter(found["client"][name + "s"]), None) for name in ("redirect_uri", "post_logout_redirect_uri")}
    clients[found["client_id"]] = {"client_id": found["client_id"], "client_secret": found["client_secret"], **uris}
json.dump({"issuer": sys.argv[1], "user": {"username": "demo", "password": sys.argv[2]}, "clients": clients}, sys.stdout)
' "$1" "$password"
}

stop_countersign() {
    kill "$countersign_pid"
    wait "$countersign_pid" || true
    if [ -n "$countersign_database" ]; then
        psql --quiet "$postgres_url" --command "drop database $countersign_database"
    fi
}

# `countersign dev`, whose playground the browser visits. $COUNTERSIGN_DEV holds what it prints.
start_dev() {
    local home
    home=$(mktemp -d "$scratch/dev.XXXXXX")
    export COUNTERSIGN_DEV="$home/dev.json"
    "$COUNTERSIGN_BIN" dev --port "$(free_port)" --data "$home/data" --keys "$home/keys" --output json \
        >"$COUNTERSIGN_DEV" 2>"$home/log" </dev/null &
    server_pids+=($!)
    wait_for 60 "countersign dev" "$home/log" grep -q '"issuer"' "$COUNTERSIGN_DEV"
}

# database_url NAME: another database on the same server.
database_url() {
    python3 -c 'import sys; from urllib.parse import urlsplit
print(urlsplit(sys.argv[1])._replace(path="/" + sys.argv[2]).geturl())' "$postgres_url" "$1"
}
