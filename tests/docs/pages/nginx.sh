# The page's first config is without a URL; a second nginx has the TLS that it tells of.
a_front
sed '/^public_url/d;/^serve/,$d' mirrord.yaml >/etc/mirrord/mirrord.yaml
rm -rf /etc/nginx/sites-enabled/*
groupadd --force www-data
htpasswd() { command htpasswd -b "$@" secret; }
command nginx
