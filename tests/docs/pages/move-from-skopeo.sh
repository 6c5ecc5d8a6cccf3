cat >sync.yml <<END
docker.io:
  images:
    alpine: ["3.20"]
END
