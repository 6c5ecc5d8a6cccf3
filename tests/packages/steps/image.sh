# The image, from what it holds to what its volume keeps.
image=mirrord:$VERSION
say() { echo "--- $*"; }
plain() { skopeo --insecure-policy "$@"; }
answers() { for _ in $(seq 100); do curl --silent --fail --output /dev/null "$1" && return; sleep 0.1; done; false; }
ended() { # by itself: whoever is killed for the time it takes has another status
  podman stop --time 10 "$1"
  test "$(podman inspect --format '{{.State.ExitCode}}' "$1")" = 0
}

say 'an upstream, with one image'
mkdir /srv/upstream /srv/etc
cat >/srv/registry.yaml <<'END'
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: /srv/upstream}}
http: {addr: "127.0.0.1:5001"}
END
docker-registry serve /srv/registry.yaml 2>/srv/registry.log &
upstream=$!
container=$(buildah from scratch)
buildah add --quiet $container /etc/os-release /
buildah commit --quiet $container localhost/app
answers http://127.0.0.1:5001/v2/
plain copy --dest-tls-verify=false containers-storage:localhost/app:latest docker://127.0.0.1:5001/team/app:1
digest=$(plain inspect --tls-verify=false --format '{{.Digest}}' docker://127.0.0.1:5001/team/app:1)
pulled() { # from the mirror, by skopeo, verified
  rm -rf /srv/pulled
  plain copy --src-tls-verify=false --preserve-digests docker://127.0.0.1:5050/127.0.0.1_5001/team/app:1 dir:/srv/pulled
  test "sha256:$(sha256sum </srv/pulled/manifest.json | cut -d' ' -f1)" = "$digest"
}

say 'as it comes'
test "$(podman run --rm $image --version)" = "mirrord $VERSION"
podman run --rm $image check | grep 'tag 3.20, from docker.io/library/alpine'
test "$(podman run --rm --entrypoint id $image)" = 'uid=10001(mirrord) gid=10001(mirrord) groups=10001(mirrord)'

say 'nothing is left of how it was made'
made=$(podman image mount $image)
test -z "$(find $made/{tmp,var/tmp,var/lib/apt/lists,var/cache/apt,etc/mirrord/secrets} -mindepth 1)"
test ! -e $made/root/.cache
test -z "$(find $made/usr/{bin,sbin,local/bin,lib/mirrord/bin} -regex '.*/\(gcc.*\|cc\|ld\|make\|pip.*\|git\|curl\)')"
test -z "$(find $made -xdev -regex '.*/\(.*\.deb\|auth\.json\|\.git\|direct_url\.json\)' -not -path "$made/srv/*")"
if grep -rlI -e "$PROJECT" -e '/tmp/' $made/usr/lib/mirrord/bin $made/usr/lib/mirrord/pyvenv.cfg; then false; fi
test -z "$(find $made/usr/lib/mirrord $made/etc/mirrord ! -user root)"
podman image unmount $image

say 'the service, over one volume, without a right'
cat >/srv/etc/mirrord.yaml <<'END'
root: /var/lib/mirrord
listen: 127.0.0.1:5050
registries: {"127.0.0.1:5001": {plain_http: true}}
images: ["127.0.0.1:5001/team/app:1"]
END
options='--network host --read-only --cap-drop all --security-opt no-new-privileges --volume mirror:/var/lib/mirrord'
options="$options --volume /srv/etc:/etc/mirrord:ro"
podman run $options --rm $image sync | grep '1 image: 1 added'
podman run $options --detach --name service $image
answers http://127.0.0.1:5050/readyz
pulled
podman exec service mirrord status | grep '1 image: 1 fresh'
curl --silent --fail http://127.0.0.1:5050/ | grep -i '<!doctype html>'
volume=$(podman volume inspect --format '{{.Mountpoint}}' mirror)
test -z "$(find $volume ! -user 10001)"
test -z "$(find $volume/pool -type f -links 1)"

say 'it ends when it is told to'
ended service
podman logs service 2>&1 | grep '"service.stopping"'

say 'what it has, it keeps: over a restart, and in the next container, also when the upstream is gone'
kill $upstream
podman start service
answers http://127.0.0.1:5050/readyz
pulled
podman rm --force service
podman run $options --detach --name next $image serve
answers http://127.0.0.1:5050/v2/
pulled
ended next

say 'a volume as Kubernetes hands it over: by fsGroup, with what mkfs left'
mkdir /srv/claim && chown root:10001 /srv/claim && chmod 2775 /srv/claim && mkdir -m 700 /srv/claim/lost+found
claim="--cap-drop all --volume /srv/claim:/var/lib/mirrord --volume /srv/etc:/etc/mirrord:ro"
podman run $claim --rm $image init /var/lib/mirrord --config /etc/mirrord/mirrord.yaml
podman run $claim --rm $image gc
podman image inspect $image >/srv/inspected.json
