# With the files of docs/how-to/kubernetes.md.
say 'what a kubelet does and podman does not: everybody may write to an emptyDir'
podman run --rm --volume log:/log --entrypoint /bin/true mirrord:$VERSION
chmod 777 "$(podman volume inspect --format '{{.Mountpoint}}' log)"

say 'play'
mirrord nginx --config mirrord.yaml --listen 5000 >mirrord.conf
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mirrord-nginx}\ndata:\n  mirrord.conf: |\n' >nginx.yaml
sed 's/^/    /' mirrord.conf >>nginx.yaml
podman kube play --configmap nginx.yaml page.yaml
held alpine 3.20
paged
answers http://127.0.0.1:5050/healthz
answers http://127.0.0.1:5050/readyz
confined mirrord-pod-0-mirrord
confined mirrord-pod-0-nginx
unwritable mirrord-pod-0-mirrord /etc
unwritable mirrord-pod-0-nginx /var/lib/mirrord
podman exec mirrord-pod-0-mirrord mirrord status | grep '1 image: 1 fresh'
podman exec mirrord-pod-0-mirrord mirrord reload
podman exec mirrord-pod-0-mirrord mirrord trigger
missed mirrord-pod-0-nginx mirrord-pod-0-mirrord

say 'stopped and started again, without an upstream'
kill $internet
podman pod stop mirrord-pod-0
podman pod start mirrord-pod-0
answers http://127.0.0.1:5000/v2/alpine/manifests/3.20
podman kube down page.yaml
test -z "$(podman ps --all --quiet)"
podman volume exists mirror
