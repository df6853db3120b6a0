#!/usr/bin/env bash
# Installs what the service tests need and this machine does not have yet: PostgreSQL with PostGIS, Ceph's gateway, `ip` for
# networks of hosts, nginx, R with sf, Dask's client, a STAC API in an environment of its own, a browser and what drives it, the
# page, and the checkers of manifests and metrics.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${1:-.venv/bin/python}

missing=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
compgen -G '/usr/share/postgresql/*/extension/postgis.control' >/dev/null || missing+=(postgresql-postgis)
for pair in ceph-mon:ceph-mon ceph-osd:ceph-osd radosgw:radosgw ceph:ceph-common ip:iproute2 nginx:nginx; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
[[ -d /usr/lib/R/site-library/sf ]] || missing+=(r-cran-sf)
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
if ((${#missing[@]})); then
    as_root=()
    if ((EUID != 0)); then
        sudo -n true 2>/dev/null || {
            echo "The service tests need these Debian packages, and only root may install them: ${missing[*]}" >&2
            echo "Run as root or where sudo asks no password: apt-get install --no-install-recommends ${missing[*]}" >&2
            exit 1
        }
        as_root=(sudo -n)
    fi
    command -v apt-get >/dev/null || { echo "Install by hand: ${missing[*]} (there is no apt-get here)" >&2; exit 1; }
    echo "Installing ${missing[*]} ..."
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
fi

"$python" -c 'import psycopg, distributed' 2>/dev/null ||
    "$python" -m pip install --quiet --disable-pip-version-check --requirement requirements/dev.txt

pgstac=$(dirname "$(dirname "$python")")/pgstac
"$pgstac/bin/python" -c 'import stac_fastapi.pgstac, pypgstac' 2>/dev/null || {
    "$python" -m venv "$pgstac"
    "$pgstac/bin/python" -m pip install --quiet --disable-pip-version-check --requirement tests/services/pgstac.txt
}

"$python" -c 'import playwright' 2>/dev/null ||
    "$python" -m pip install --quiet --disable-pip-version-check --requirement tests/services/browser.txt
"$python" web/build.py

"$python" -c 'import kubernetes_validate' 2>/dev/null ||
    "$python" -m pip install --quiet --disable-pip-version-check --requirement tests/services/kubernetes.txt
command -v kubectl >/dev/null || echo "kubectl 1.21 or newer is not here: the manifests are not rendered" >&2

# Prometheus and promtool are unpacked, not installed: no service is to start.
prometheus=$(dirname "$(dirname "$python")")/prometheus
[[ -x $prometheus/usr/bin/promtool ]] || {
    mkdir -p "$prometheus"
    (cd "$prometheus" && apt-get download -qq prometheus && dpkg -x prometheus_*.deb . && rm prometheus_*.deb) ||
        echo "prometheus cannot be had by apt-get: its tests are skipped" >&2
}

# The issuer of tokens: its tests are skipped where there is no npm.
oidc=$(dirname "$(dirname "$python")")/oidc
[[ -d $oidc/node_modules/oidc-provider ]] || ! command -v npm >/dev/null ||
    npm install --silent --no-audit --no-fund --prefix "$oidc" oidc-provider@9.13 ||
    echo "oidc-provider of npm cannot be installed: its tests are skipped" >&2
