# A helper of this name, as the cloud's would be.
printf '#!/bin/sh\ncat >/dev/null; echo "{\\"Username\\": \\"AWS\\", \\"Secret\\": \\"x\\"}"\n' >/usr/local/bin/docker-credential-ecr-login
chmod +x /usr/local/bin/docker-credential-ecr-login
