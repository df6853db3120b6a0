#!/bin/bash
# Starts PostgreSQL. The first time it makes POSTGRES_DB for POSTGRES_USER, who may do everything, with POSTGRES_PASSWORD.
set -euo pipefail
data=/var/lib/postgresql/data/main
if [[ ! -d $data ]]; then
    user=${POSTGRES_USER:-postgres} database=${POSTGRES_DB:-${POSTGRES_USER:-postgres}}
    rm -rf "$data.new" # of a first start that was cut off
    initdb --pgdata "$data.new" --username "$user" --encoding UTF8 --locale C.UTF-8 --data-checksums \
        --auth-local trust --auth-host scram-sha-256 --pwfile <(echo "${POSTGRES_PASSWORD:?is not set}")
    echo "host all all all scram-sha-256" >> "$data.new/pg_hba.conf"
    [[ $database = postgres ]] || echo "CREATE DATABASE \"$database\"" | postgres --single -D "$data.new" postgres
    mv "$data.new" "$data"
fi
mkdir -p /run/postgresql # a fresh tmpfs may lie over it
exec postgres -D "$data" -c listen_addresses='*' "$@"
