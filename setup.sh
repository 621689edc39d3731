#!/bin/sh
# Sets up .venv from the lock files with nothing but python3 and pip; quick when all is there.
#
#   ./setup.sh            what `make install` runs
#   PYTHON=python3.13 ./setup.sh
set -eu
cd "$(dirname "$0")"

stop() {
    echo "setup: $*" >&2
    exit 1
}

say() {
    echo "setup: $*"
}

suits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        suits "$PYTHON" || stop "PYTHON=$PYTHON is not a Python from 3.11 to 3.14: name another."
        python=$PYTHON
        return
    fi
    found=
    for python in python3 python3.14 python3.13 python3.12 python3.11; do
        suits "$python" || continue
        found=$python
        "$python" -m pip --version >/dev/null 2>&1 && return
    done
    [ -z "$found" ] ||
        stop "$found has no pip: install it (Debian, Ubuntu: apt-get install python3-pip)."
    stop "Python 3.11 to 3.14 is needed and none was found: install one, or name it with PYTHON=."
}

# All that decides what is in .venv; a moved folder counts, because scripts in it hold its path.
fingerprint() {
    "$python" - <<'PROGRAM'
import hashlib, os, sys
digest = hashlib.sha256(f"{os.getcwd()} {sys.executable} {sys.version}".encode())
for name in ("requirements.lock", "bootstrap.lock", "pyproject.toml", "setup.sh"):
    with open(name, "rb") as file:
        digest.update(file.read())
print(digest.hexdigest())
PROGRAM
}

pip() {
    # Python packages of the system are not touched, so its warnings about that do not apply.
    PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_USER=0 \
        PIP_NO_WARN_SCRIPT_LOCATION=1 "$python" -m pip "$@"
}

# uv, pinned by hash, in .bootstrap; fails when it cannot be had.
fetch_uv() {
    [ -x .bootstrap/bin/uv ] && [ "$(cat .bootstrap/lock 2>/dev/null)" = "$(cat bootstrap.lock)" ] &&
        return
    rm -rf .bootstrap
    say "fetching uv ..."
    pip install --quiet --require-hashes --only-binary :all: --target .bootstrap \
        -r bootstrap.lock && cp bootstrap.lock .bootstrap/lock
}

same_python() {
    .venv/bin/python -c 'import sys; print(sys.version)' 2>/dev/null |
        grep -qxF "$("$python" -c 'import sys; print(sys.version)')"
}

with_uv() {
    export UV_PYTHON_DOWNLOADS=never
    # A home that cannot be written to is no obstacle.
    [ -w "${HOME:-/nowhere}" ] || export UV_CACHE_DIR="$PWD/.bootstrap/cache"
    # Unlike pip, uv knows neither the certificates of a company's proxy nor pip's index.
    for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
        /etc/ssl/cert.pem; do
        [ ! -s "$bundle" ] || export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
    done
    index=${PIP_INDEX_URL:-$(pip config get global.index-url 2>/dev/null || true)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
    uv=.bootstrap/bin/uv
    same_python || { rm -rf .venv && $uv venv --quiet --python "$(command -v "$python")" .venv; } &&
        say "installing packages ..." &&
        $uv pip sync --require-hashes --python .venv/bin/python requirements.lock &&
        $uv pip install --quiet --offline --no-deps --no-build-isolation \
            --python .venv/bin/python --editable .
}

# Slower, and works where only pip may reach the packages. Needs neither ensurepip nor uv.
with_pip() {
    say "uv cannot be used here; installing with pip, which takes a minute ..."
    same_python || { rm -rf .venv && "$python" -m venv --without-pip .venv; } ||
        stop "$python cannot make a virtual environment: install python3-venv."
    pip --python .venv/bin/python install --require-hashes --only-binary :all: \
        --progress-bar on -r requirements.lock ||
        stop "the packages could not be installed: see above, and check the network and the disk."
    pip --python .venv/bin/python install --quiet --no-index --no-deps --no-build-isolation \
        --editable .
}

find_python
wanted=$(fingerprint)
[ "$(cat .venv/.set-up 2>/dev/null)" != "$wanted" ] || exit 0
"$python" -m pip --version >/dev/null 2>&1 ||
    stop "$python has no pip: install it (Debian, Ubuntu: apt-get install python3-pip)."
rm -f .venv/.set-up
say "using $("$python" --version) ($(command -v "$python"))"
{ fetch_uv && with_uv; } || with_pip
echo "$wanted" >.venv/.set-up
say "done."
