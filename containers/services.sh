#!/usr/bin/env bash
# Builds the other images of compose.yaml, arpent-postgres and arpent-s3, from Debian's packages: for machines that reach a mirror of
# Debian but no registry of images. Needs podman, buildah and mmdebstrap (build.sh installs them).
# BASE and BUILD_OPTIONS are those of build.sh.
set -euo pipefail
cd "$(dirname "$0")"
base=${BASE:-localhost/arpent-base}
read -ra options <<<"${BUILD_OPTIONS:-}"
[[ -n ${BASE:-} ]] || podman image exists "$base" || { echo "Making $base of Debian's packages ..."; ./base.sh "$base"; }
for name in postgres s3; do
    buildah build --layers --isolation chroot --build-arg BASE="$base" "${options[@]}" --tag "arpent-$name" "$name"
done
