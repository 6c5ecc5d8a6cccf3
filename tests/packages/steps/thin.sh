# The Containerfile, by scripts/package, on a base that has next to nothing and of a package that is empty:
# apt-get leaves what it always leaves, and has nothing to install.
mkdir -p /srv/thin/{etc,tmp,var/cache/apt,var/lib/apt/lists} /srv/deb/DEBIAN
for program in /bin/sh /bin/rm /usr/sbin/groupadd /usr/sbin/useradd; do
  cp --parents --dereference $program $(ldd $program | grep -o '/[^ ]*') /srv/thin
done
touch /srv/thin/etc/{passwd,shadow,group,gshadow}
cat >/srv/thin/bin/apt-get <<'END'
#!/bin/sh
echo "$*" >>/asked
if [ "$1" = update ]; then echo >/var/lib/apt/lists/of; else echo >/var/cache/apt/of; read -r _ </tmp/mirrord.deb; fi
END
chmod +x /srv/thin/bin/apt-get
container=$(buildah from scratch)
buildah add --quiet $container /srv/thin /
buildah commit --quiet $container localhost/thin
cat >/srv/deb/DEBIAN/control <<'END'
Package: mirrord
Version: 1.2.4~dev5+gabc
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: thin
END
dpkg-deb --build /srv/deb /srv/mirrord.deb
DEB=/srv/mirrord.deb BASE=localhost/thin "$PROJECT/scripts/package" image
made=$(buildah mount $(buildah from --pull-never mirrord:1.2.4.dev5-gabc))
cp $made/asked /srv/asked
cmp $made/etc/mirrord/mirrord.yaml "$PROJECT/scripts/packaging/container.yaml"
grep '^mirrord:x:10001:10001:.*:/var/lib/mirrord:/usr/sbin/nologin$' $made/etc/passwd
test -z "$(find $made/tmp $made/var/cache/apt $made/var/lib/apt/lists -mindepth 1)"
podman image inspect mirrord:1.2.4.dev5-gabc >/srv/inspected.json
