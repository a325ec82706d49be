#!/usr/bin/env bash
# Makes the secrets of the compose file, once: what exists stays as it is.
set -euo pipefail
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
secret() { openssl rand -hex 32; }
write() { [ -e "secrets/$1" ] || cat > "secrets/$1"; }

database=$(secret) objects=$(secret) watch=$(secret)
if [ -e secrets/fetch.env ]; then
    echo "secrets/ is there already; remove it to make new ones"
    exit
fi
write postgres.env <<END
POSTGRES_USER=nudge
POSTGRES_DB=nudge
POSTGRES_PASSWORD=$database
END
write objects.env <<END
MINIO_ROOT_USER=nudge
MINIO_ROOT_PASSWORD=$objects
END
write signal.env <<END
NUDGE_WATCH_SECRET=$watch
END
write fetch.env <<END
NUDGE_DATABASE=postgres://nudge:$database@postgres/nudge
NUDGE_WATCH_SECRET=$watch
NUDGE_ADMIN_TOKEN=$(secret)
AWS_ACCESS_KEY_ID=nudge
AWS_SECRET_ACCESS_KEY=$objects
AWS_ENDPOINT=http://objects:9000
AWS_ALLOW_HTTP=true
AWS_REGION=us-east-1
END
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    -keyout secrets/key.pem -out secrets/certificate.pem 2>/dev/null
cat secrets/certificate.pem secrets/key.pem | write front.pem
# HAProxy's container reads it as a user of its own.
chmod 644 secrets/front.pem secrets/certificate.pem
chmod 711 secrets
echo "made deploy/compose/secrets"
