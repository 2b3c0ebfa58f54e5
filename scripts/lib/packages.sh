# Finds out what the chosen suites need, says what is missing and why, and installs it.

NODE_AT_LEAST=20 # openid-client 6 and playwright-core need Web Crypto as a global

missing_packages=()

# lacks PACKAGE REASON: notes a Debian package for installation and says why.
lacks() {
    say "missing: $1 ($2)"
    missing_packages+=("$1")
}

install_missing() {
    command -v cargo >/dev/null || die "the Rust toolchain is missing: install it with rustup, then run this again"

    { command -v cc && command -v make; } >/dev/null ||
        lacks build-essential "the C compiler and make: they build SQLite and jemalloc and link the binary"
    command -v pkg-config >/dev/null || lacks pkg-config "finds OpenSSL for the build"
    [ -e /usr/include/openssl/ssl.h ] || lacks libssl-dev "OpenSSL's headers: JOSE signs with it"
    command -v python3 >/dev/null || lacks python3 "picks free ports and runs the Authlib tests"
    if [ -z "${DATABASE_URL-}" ]; then
        [ -n "$(postgres_bin)" ] || lacks postgresql "a throw-away PostgreSQL: DATABASE_URL is not set"
    fi
    if [ -n "${DATABASE_URL-}" ] && { wants clients || wants browser; }; then
        command -v psql >/dev/null || lacks postgresql-client "creates a database on the server of DATABASE_URL"
    fi
    if [ -z "${REDIS_URL-}" ] || wants rust; then # some Rust tests restart a Redis of their own
        command -v redis-server >/dev/null || lacks redis-server "throw-away Redis servers"
    fi
    if wants clients || wants browser; then
        command -v node >/dev/null || lacks nodejs "runs the example web app and the tests of Node clients"
        command -v npm >/dev/null || lacks npm "installs the Node clients"
    fi
    if wants clients; then
        python3 -c 'import ensurepip, venv' 2>/dev/null || lacks python3-venv "an environment for Authlib and pytest"
    fi
    if wants browser; then
        command -v chromium >/dev/null || {
            lacks chromium "the browser of the browser tests"
            lacks fonts-liberation "without fonts its pictures show no text"
        }
    fi

    if [ ${#missing_packages[@]} -gt 0 ]; then apt_install "${missing_packages[@]}"; fi
    if wants clients || wants browser; then install_node_packages; fi
    if wants clients; then install_python_packages; fi
}

apt_install() {
    command -v apt-get >/dev/null || die "no apt-get here: install by hand: $*"
    local root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "neither root nor sudo: install by hand: apt-get install $*"
        root=(sudo)
    fi
    say "installing: $*"
    quietly "apt-get update" "${root[@]}" apt-get update
    # Debian's packages would start their servers as services; the tests start their own.
    quietly "apt-get install $*" "${root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install --yes --no-install-recommends "$@"
}

install_node_packages() {
    use_recent_node
    local lock dir
    for lock in examples/*/package-lock.json tests/*/package-lock.json; do
        dir=$(dirname "$lock")
        # npm writes node_modules/.package-lock.json last: newer than the lock file means complete.
        [ "$dir/node_modules/.package-lock.json" -nt "$lock" ] && continue
        say "installing the Node packages of $dir"
        quietly "npm ci in $dir" npm ci --prefix "$dir" --no-audit --no-fund --ignore-scripts
    done
}

# Debian 12 carries Node 18; a newer one comes from the npm registry as an ordinary package.
use_recent_node() {
    local have arch tools="$PWD/target/tools/node"
    have=$(node -p 'process.versions.node.split(".")[0]')
    [ "$have" -ge "$NODE_AT_LEAST" ] && return
    arch=$(node -p process.arch)
    if [ ! -x "$tools/node_modules/node-linux-$arch/bin/node" ]; then
        say "installing Node 22 into target/tools (found $have, needed $NODE_AT_LEAST)"
        mkdir -p "$tools"
        quietly "installing Node 22" npm install --prefix "$tools" --no-audit --no-fund --no-save "node-linux-$arch@22"
    fi
    PATH="$tools/node_modules/node-linux-$arch/bin:$PATH"
}

install_python_packages() {
    local pins=tests/clients/requirements.txt
    if [ ! .venv/installed -nt "$pins" ]; then
        say "installing the Python packages of $pins into .venv"
        quietly "python3 -m venv" python3 -m venv --clear .venv
        quietly "pip install" .venv/bin/pip install --disable-pip-version-check --requirement "$pins"
        touch .venv/installed
    fi
}
