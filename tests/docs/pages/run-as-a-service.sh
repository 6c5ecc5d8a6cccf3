# In a clone, on a host without nginx's own site; the packages of the lock come from a directory, for there is no network.
cd "$PROJECT"
PATH=$PROJECT/tests/docs/programs:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PIP_NO_INDEX=1 PIP_FIND_LINKS=$WHEELS PIP_CONFIG_FILE=/dev/null
rm -rf /var/lib/mirrord /etc/mirrord /etc/nginx/sites-enabled/*
nginx # Debian starts it when it is installed
