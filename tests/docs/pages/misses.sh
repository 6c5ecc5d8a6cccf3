# A mirror, and a log of nginx before it.
a_mirror
mkdir -p /var/log/nginx
printf '{"time":"%s","client":"10.0.0.7","user":"","method":"GET","target":"/v2/redis/manifests/7","ns":"","repository":"redis","reference":"7","status":404,"bytes":0,"duration":0.0,"agent":"x"}\n' "$(date -Iseconds)" >/var/log/nginx/mirrord.log
