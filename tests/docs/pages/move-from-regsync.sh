mkdir -p /var/lib/registry/docker/registry/v2/blobs/sha256
cat >regsync.yml <<END
version: 1
sync:
  - source: alpine:3.20
    target: registry.lan/alpine:3.20
    type: image
END
