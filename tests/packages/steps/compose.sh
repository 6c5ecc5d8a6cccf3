# After the blocks of docs/how-to/compose.md.
say 'up'
$engine-compose up --detach
held alpine 3.20
paged
confined reader_daemon_1
unwritable reader_daemon_1 /etc
unwritable reader_nginx_1 /var/lib/mirrord
$engine-compose exec -T daemon mirrord status | grep '1 image: 1 fresh'
missed reader_nginx_1 reader_daemon_1

say 'another config'
echo '  - nginx:1.27' >>mirrord.yaml
$engine-compose exec -T daemon mirrord reload
$engine-compose exec -T daemon mirrord trigger
held nginx 1.27

say 'down, and up again without an upstream'
$engine-compose down
test -z "$($engine ps --all --quiet)"
kill $internet
$engine-compose up --detach
answers http://127.0.0.1:5000/v2/nginx/manifests/1.27
$engine-compose down
