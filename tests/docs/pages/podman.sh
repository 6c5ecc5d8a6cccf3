a_front
mkdir -p /var/lib/containers
mount -t tmpfs tmpfs /var/lib/containers
