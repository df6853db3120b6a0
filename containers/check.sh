#!/usr/bin/env bash
# Runs the demo in an image as it is meant to run: a user without rights, a read-only root, no network, no capability, and memory
# for what is written. Says how large the image is, and how long its first job and its start take. check.sh IMAGE
set -euo pipefail
image=${1:-arpent}
read -ra options <<<"${RUN_OPTIONS:-}"
confined=(--rm --read-only --network none --cap-drop all --security-opt no-new-privileges --user 10001:10001
    --tmpfs /tmp:size=2g --tmpfs /var/cache/arpent:size=256m
    --tmpfs /var/lib/arpent:size=512m "${options[@]}")

echo "== size"
podman image inspect --format '{{.Size}} bytes in {{len .RootFS.Layers}} layers' "$image"
podman history --format '{{.Size}}	{{.CreatedBy}}' "$image" | grep -v '^0 B' | cut -c1-110
echo "== who it is, and what it may not"
podman run "${confined[@]}" --entrypoint sh "$image" -c '
    id; touch /opt/x 2>&1 || true; grep -E "^(CapEff|NoNewPrivs|Seccomp):" /proc/self/status; arpent script sandbox'
echo "== start: arpent --version, then arpent serve until /healthz answers"
time podman run "${confined[@]}" "$image" --version
podman run "${confined[@]}" --entrypoint sh "$image" -c '
    began=$(date +%s%N); start serve >/dev/null 2>&1 & server=$!
    until python -c "import urllib.request as u; u.urlopen(\"http://127.0.0.1:8000/healthz\", timeout=1)" 2>/dev/null; do :; done
    echo "/healthz answers after $((($(date +%s%N) - began) / 1000000)) ms"; kill $server; wait $server || true'
echo "== the demo"
time podman run "${confined[@]}" "$image" demo
echo "== its kernels were there: a job, and no file of the cache is new"
podman run "${confined[@]}" --entrypoint sh "$image" -c '
    start --version >/dev/null; touch before; sleep 1; start demo >/dev/null
    new=$(find "$NUMBA_CACHE_DIR" -type f -newer before | wc -l)
    echo "$new of $(find "$NUMBA_CACHE_DIR" -type f | wc -l) files are new"; test "$new" = 0'
