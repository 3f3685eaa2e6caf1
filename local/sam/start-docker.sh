#!/usr/bin/env bash
# Starts a private Docker engine on a machine that has none running. Its containers reach this machine, at 172.31.250.1, alone.
# usage: start-docker.sh STATE_DIR   (then: export DOCKER_HOST=unix://STATE_DIR/d.sock; stop: kill "$(cat STATE_DIR/d.pid)")
# needs root, and Debian's packages docker.io and iptables
set -euo pipefail
state=$(realpath -m "${1:?usage: start-docker.sh STATE_DIR}")
mkdir -p "$state/data" "$state/exec"
setsid dockerd --host="unix://$state/d.sock" --data-root="$state/data" --exec-root="$state/exec" --pidfile="$state/d.pid" \
  --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --bip=172.31.250.1/24 \
  >"$state/dockerd.log" 2>&1 </dev/null &
for _ in $(seq 100); do
  docker -H "unix://$state/d.sock" version >/dev/null 2>&1 && exit 0
  sleep 0.2
done
echo "the engine did not come up:" >&2
tail -n 5 "$state/dockerd.log" >&2
exit 1
