printf 'root: /var/lib/mirrord\nlisten: ":5050"\nimages: [alpine:3.20]\n' >mirrord.yaml
