#!/usr/bin/env bash
# Makes an image of Debian with Python out of its packages, for machines that reach a mirror of Debian but no registry of
# images: base.sh NAME [SUITE]. Needs mmdebstrap and podman.
set -euo pipefail
name=${1:?base.sh NAME [SUITE]}
suite=${2:-bookworm}
# What Python, OpenSSL and apt need, without manuals and translations; licences stay.
mmdebstrap --quiet --variant=minbase --include=python3,libexpat1,ca-certificates \
    --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --customize-hook='rm -rf "$1"/var/cache/debconf/*-old "$1"/var/log/*.log' \
    "$suite" - | podman import --quiet - "$name"
