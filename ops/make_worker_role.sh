#!/bin/sh
# The worker's role: it may call functions and read. `migrate` grants it what it needs.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set "password=$DAKUAN_WORKER_PASSWORD" <<'SQL'
CREATE ROLE dakuan_worker LOGIN PASSWORD :'password';
SQL
