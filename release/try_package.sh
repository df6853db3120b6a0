#!/usr/bin/env bash
# Install a wheel or an sdist into an empty environment, without extras, and compute a job there; then with the server.
# release/try_package.sh PYTHON FILE
set -euo pipefail
python=$1 file=$(realpath "$2")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/environment"
arpent=$folder/environment/bin/arpent
"$folder/environment/bin/python" -m pip install --quiet --disable-pip-version-check "$file"
cd "$folder" # so that nothing is taken from a checkout
"$arpent" conformance --make-data data > /dev/null
export ARPENT_CATALOG=data/catalog ARPENT_BUCKETS=data/buckets
"$arpent" run data/request.json
if said=$("$arpent" serve 2>&1) || [[ $said != *"arpent[server]"* ]]; then
    echo "without the server's packages, arpent serve says: $said" >&2
    exit 1
fi
"$folder/environment/bin/python" -m pip install --quiet --disable-pip-version-check "$file[server]"
"$arpent" migrate
echo "$("$folder/environment/bin/python" --version): $(basename "$file") computes a job"
