# What a recipe finds: registries, the image by the name that the page gives it, and words for what is looked at.
# Registries at an address that containers reach, trusted by the image as a real one trusts theirs.
ip address add 198.51.100.2/32 dev lo
echo '198.51.100.2 registry-1.docker.io docker.io' >>/etc/hosts
rm -rf /run/internet && mkdir /run/internet
PYTHONPATH=$PROJECT/tests "$PROJECT/.venv/bin/python" -m support.internet /run/internet 198.51.100.2 &
internet=$!
until [ -e /run/internet/ready ]; do kill -0 $internet && sleep 0.1; done
container=$(buildah from --pull-never mirrord:$VERSION)
cat /run/internet/ca.pem >>"$(buildah mount $container)/etc/ssl/certs/ca-certificates.crt"
buildah commit --quiet --rm $container localhost/mirrord:latest
rm -rf /srv/reader && mkdir /srv/reader && cd /srv/reader
PATH=$PROJECT/.venv/bin:$PATH

engine=podman
say() { echo "--- $*"; }
answers() { for _ in $(seq 300); do curl --silent --fail --output /dev/null "$1" && return; sleep 0.1; done; false; }
pull() { case $engine in podman) podman pull --quiet --tls-verify=false $1 ;; *) docker pull --quiet $1 ;; esac; }
held() { # pulled from the mirror, as its upstream has it
  answers http://127.0.0.1:5000/v2/$1/manifests/$2
  pull 127.0.0.1:5000/$1:$2
  curl --silent --fail http://127.0.0.1:5000/v2/$1/manifests/$2 | cmp - \
    <(curl --silent --fail --cacert /run/internet/ca.pem https://registry-1.docker.io/v2/library/$1/manifests/$2)
}
paged() { # the list, by the daemon, which nginx finds
  curl --silent --fail --include '127.0.0.1:5000/v2/alpine/tags/list?n=1' | grep '^Link: '
}
confined() { # as the image's user, without a right and a way to one
  $engine exec $1 cat /proc/1/status >status
  for line in 'Uid:.10001.10001' 'CapBnd:.0000000000000000' 'NoNewPrivs:.1'; do grep "^$line" status; done
}
unwritable() { # a place in a container, whoever one is
  if $engine exec --user 0 $1 touch $2/x; then false; fi
}
missed() { # what a client asks for in vain is in the log of nginx's container, and the daemon's command reads it
  curl --silent --output /dev/null 127.0.0.1:5000/v2/library/redis/manifests/7
  sleep 1.5
  $engine logs $1 2>/dev/null | $engine exec --interactive $2 mirrord misses - | grep '^redis:7 '
}
