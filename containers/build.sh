#!/usr/bin/env bash
# Builds the image and runs the demo in it: `make image`. Needs podman and buildah, which it installs with apt-get where they are
# missing. BASE names the image to build on (with Python 3.11 or newer); unset, it is made of Debian's packages by base.sh.
# BUILD_OPTIONS and RUN_OPTIONS go to `buildah build` and `podman run`, such as --volume for certificates of your own.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:-arpent}
base=${BASE:-localhost/arpent-base}
read -ra build_options <<<"${BUILD_OPTIONS:-}"

missing=()
for pair in podman:podman buildah:buildah crun:crun; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
[[ -n ${BASE:-} ]] || command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
if ((${#missing[@]})); then
    as_root=()
    ((EUID == 0)) || as_root=(sudo)
    command -v apt-get >/dev/null || { echo "Install by hand: ${missing[*]} (there is no apt-get here)" >&2; exit 1; }
    echo "Installing ${missing[*]} ..."
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
fi

[[ -n ${BASE:-} ]] || podman image exists "$base" || { echo "Making $base of Debian's packages ..."; containers/base.sh "$base"; }
buildah build --layers --isolation chroot --build-arg BASE="$base" "${build_options[@]}" \
    --file containers/Containerfile --tag "$name" .
containers/check.sh "$name"
