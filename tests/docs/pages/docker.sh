# A real Docker, that has been configured and restarted.
a_front
mirrord clients docker --write DIR >/dev/null
mkdir -p /etc/docker /var/lib/docker
cp DIR/docker/daemon.json /etc/docker/
mount -t tmpfs tmpfs /var/lib/docker
dockerd --iptables=false --bridge=none >dockerd.log 2>&1 &
docker() { PATH=/usr/bin command docker "$@"; }
until docker version >/dev/null 2>&1; do kill -0 $! || { cat dockerd.log; false; }; sleep 0.1; done
