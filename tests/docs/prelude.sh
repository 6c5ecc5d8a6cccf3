# What a reader has before the first block of any page: a host, and registries at their names. What would run until
# Ctrl-C goes to the background, once it serves.
exec </dev/null
export PROJECT
cat >>/etc/hosts <<END
127.0.0.1 localhost mirror.example
127.0.0.2 registry-1.docker.io docker.io index.docker.io quay.io registry.k8s.io gcr.io ghcr.io harbor.lan
END
mkdir /run/internet
PYTHONPATH=$PROJECT/tests "$PROJECT/.venv/bin/python" -m support.internet /run/internet &
until [ -e /run/internet/ready ]; do kill -0 $! && sleep 0.1; done
cat /run/internet/ca.pem >>/etc/ssl/certs/ca-certificates.crt
export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
export PATH=$PROJECT/tests/docs/programs:$PROJECT/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mkdir -p /srv/reader /etc/mirrord
cd /srv/reader

served() { # waits until something answers at a port
  until curl --silent --output /dev/null "http://127.0.0.1:$1/v2/"; do sleep 0.1; done
}
mirrord() {
  case "$1" in
    serve | run) command mirrord "$@" & served 5050 ;;
    *) command mirrord "$@" ;;
  esac
}
function .venv/bin/mirrord { mirrord "$@"; }
nginx() {
  case "$*" in
    *'daemon off'*) command nginx "$@" & sleep 0.3; kill -0 $! ;;
    *) command nginx "$@" ;;
  esac
}
a_config() { # of a mirror with a few images, where the first argument says
  cat >"$1" <<END
root: /var/lib/mirrord
public_url: ${PUBLIC_URL:-http://mirror.example:5000}
images:
  - alpine:3.20
  - nginx:1.27
  - quay.io/prometheus/node-exporter:v1.8.2
  - quay.io/prometheus/prometheus:v3.1.0
  - quay.io/coreos/flannel:v0.11.0
  - quay.io/org/app:1.0
  - ghcr.io/org/charts/app:1.2.3
END
}
a_mirror() { # with something in it, with nginx before it
  a_config mirrord.yaml
  command mirrord sync --quiet
}
a_front() { # the same mirror by nginx with TLS, as clients on other hosts see it
  PUBLIC_URL=https://mirror.example a_config mirrord.yaml
  printf 'serve:\n  tls: {certificate: /run/internet/server.pem, key: /run/internet/server.key}\n' >>mirrord.yaml
  command mirrord sync --quiet
  mkdir /srv/front
  command mirrord nginx --standalone --listen 127.0.0.1:443 >/srv/front/nginx.conf
  command nginx -p /srv/front -c nginx.conf -e error.log
  cp /run/internet/ca.pem ca.pem
}
