#!/bin/bash
# Starts Ceph with its S3 gateway at port 8480, over the folder /data. S3_ACCESS_KEY and S3_SECRET_KEY open it; S3_GIB is the
# largest size of its disk, a file that grows, and holds from the first start.
set -euo pipefail
: "${S3_ACCESS_KEY:?is not set}" "${S3_SECRET_KEY:?is not set}"

made=/data/made
if [[ ! -f $made ]]; then
    find /data -mindepth 1 -delete # of a first start that was cut off: nobody has written to it
    mkdir -p /data/{mon,osd,rgw}
    identity=$(cat /proc/sys/kernel/random/uuid)
    monmaptool --create --fsid "$identity" --addv a '[v2:127.0.0.1:3300,v1:127.0.0.1:6789]' /data/monmap
    ceph-mon --mkfs -i a --monmap /data/monmap --fsid "$identity"
fi

started=()
end() {
    trap - TERM INT
    for ((at = ${#started[@]} - 1; at >= 0; at--)); do # the gateway first
        kill "${started[at]}" 2>/dev/null && wait "${started[at]}" || true
    done
}
trap 'end; exit 0' TERM INT
trap end EXIT
run() { "$@" & started+=($!); }

run ceph-mon -f -i a
if [[ ! -f $made ]]; then
    disk=$(cat /proc/sys/kernel/random/uuid)
    ceph --connect-timeout 60 osd new "$disk"
    ceph-osd -i 0 --mkfs --osd-uuid "$disk" --bluestore-block-size $((${S3_GIB:-64} << 30))
    touch "$made"
fi
run ceph-osd -f -i 0
radosgw-admin user info --uid arpent >/dev/null 2>&1 ||
    radosgw-admin user create --uid arpent --display-name arpent >/dev/null
radosgw-admin key create --uid arpent --key-type s3 --access-key "$S3_ACCESS_KEY" --secret-key "$S3_SECRET_KEY" >/dev/null
run radosgw -f -n client.rgw.a
wait -n || true
echo "One of the daemons has ended: the container starts anew" >&2
exit 1
