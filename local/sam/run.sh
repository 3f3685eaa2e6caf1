#!/usr/bin/env bash
# Runs every event of events/ through `sam local invoke`, in Lambda's container image or a likeness of it. Needs what `make build` made.
# Without a Docker engine it starts a private one where it can (root on Debian), else it says why not and succeeds.
set -euo pipefail
cd "$(dirname "$0")/../.."
image=public.ecr.aws/lambda/python:3.13-$(uname -m | sed s/aarch64/arm64/)
state=$(mktemp -d)

skip() { echo "skipped: $1"; exit 0; }

clean_up() {
  [ ! -e "$state/likeness" ] || docker rmi --force "$image" >/dev/null 2>&1 || true
  [ ! -e "$state/d.pid" ] || { kill "$(cat "$state/d.pid")"; tail --pid="$(cat "$state/d.pid")" -f /dev/null; }
  rm -rf "$state"
}
trap clean_up EXIT

start_engine() {
  [ "$(id -u)" = 0 ] || skip "no Docker engine answers, and only root could start one"
  command -v dockerd >/dev/null || install_engine || skip "no Docker engine answers, and docker.io cannot be installed"
  local/sam/start-docker.sh "$state" || skip "no Docker engine answers, and none can be started here"
  export DOCKER_HOST=unix://$state/d.sock
}

install_engine() {
  command -v apt-get >/dev/null || return 1
  echo "installing Debian's docker.io and iptables"
  { apt-get update && apt-get install -y --no-install-recommends docker.io iptables; } >"$state/apt.log" 2>&1
}

get_image() {
  timeout 300 docker pull --quiet "$image" >/dev/null 2>&1 && return
  [ "$(uname -sm)" = "Linux x86_64" ] || skip "$image cannot be pulled"
  echo "$image cannot be pulled: making its likeness"
  touch "$state/likeness"
  local/sam/make-lambda-image.sh .venv/bin/python "$image"
}

docker version >/dev/null 2>&1 || start_engine
get_image
python() { PYTHONPATH=.:layers/minting .venv/bin/python "$@"; }
# On Linux a container reaches this machine at Docker's bridge, and only if the engine is this machine's own.
[ "$(uname -s)" != Linux ] || python -c 'import sys; from local.sam.environment import bridge; sys.exit(not bridge())' ||
  skip "this machine has no interface docker0, by which containers reach it"
python -m local.sam.invoke
