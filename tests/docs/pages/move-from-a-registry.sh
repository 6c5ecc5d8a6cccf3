# What the four kinds of trees are, each with something in it.
a_mirror
cp -a /var/lib/mirrord /mnt/old-mirror
for registry in /var/lib/registry/docker/registry/v2/blobs/sha256 /srv/images/blobs/sha256 /home/artifacts/docker_images /home/artifacts/v2; do
  mkdir -p $registry
done
