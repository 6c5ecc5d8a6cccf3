a_front
mirrord clients buildkit --write DIR >/dev/null
cp DIR/buildkit/buildkitd.toml .
