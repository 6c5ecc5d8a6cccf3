a_mirror
mkdir -p /run/mirrord
RUNTIME_DIRECTORY=/run/mirrord mirrord run 2>/dev/null
