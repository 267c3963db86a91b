#!/usr/bin/env bats
# Stacks as people write them, with the real programs: nginx in front of an API in Node, PostgreSQL and Redis behind it. The
# soak's: HOY_STACKS names the archive that tests/stack-root made. The images are built here.
load compose

suite_setup() {
    [ -s "${HOY_STACKS:-}" ] || return 0
    hoy_long import "$HOY_STACKS" debian-stack
    mkdir -p "$T/images"
    cd "$T/images"
    cat >pg-start <<'X'
#!/bin/sh
set -e
bin=/usr/lib/postgresql/15/bin
mkdir -p "$PGDATA"
chown postgres "$PGDATA"
chmod 700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    echo "$POSTGRES_PASSWORD" >/tmp/pw
    setpriv --reuid=postgres --regid=postgres --init-groups $bin/initdb --username="$POSTGRES_USER" --pwfile=/tmp/pw --auth-host=scram-sha-256 --locale=C -E UTF8
    rm /tmp/pw
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
fi
exec setpriv --reuid=postgres --regid=postgres --init-groups $bin/postgres -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
X
    cat >Dockerfile <<'X'
FROM debian-stack AS base
FROM base AS postgres
COPY --chmod=755 pg-start /pg-start
ENV PGDATA=/var/lib/postgresql/data PATH=/usr/lib/postgresql/15/bin:/usr/sbin:/usr/bin:/sbin:/bin
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["/pg-start"]
FROM base AS redis
WORKDIR /data
VOLUME /data
CMD ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no"]
FROM base AS nginx
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
X
    for target in postgres:15 redis:7 nginx:1; do hoy_long build -q -t $target --target ${target%:*} .; done
}

hoy_long() { timeout 400 "$HOY" "$@"; }

need_stacks() { [ -s "${HOY_STACKS:-}" ] || skip_because no-stacks "the real programs' archive is made by the soak"; }

# The project: an API that counts in Redis and writes into PostgreSQL by its own client, behind nginx.
write_stack() {
    mkdir -p api
    cat >api/server.js <<'X'
const http = require('http'), net = require('net'), { execFile } = require('child_process');
const redis = new URL(process.env.REDIS_URL);
function incr(done) {
  const s = net.connect(redis.port, redis.hostname, () => s.write('INCR visits\r\n'));
  s.once('data', d => { s.end(); done(d.toString().trim().slice(1)); });
  s.on('error', e => done('error ' + e.message));
}
http.createServer((req, res) => {
  if (req.url === '/health') return res.end('ok');
  execFile('psql', ['-AtqX', process.env.POSTGRES_URL, '-c', 'create table if not exists visits(at timestamptz default now())',
    '-c', 'insert into visits default values', '-c', 'select count(*) from visits'], (e, rows) =>
    incr(n => res.end(`${process.env.GREETING} ${process.env.BUILT} rows=${e ? e.message : rows.trim()} visits=${n}\n`)));
}).listen(8000, () => console.log('listening'));
process.on('SIGTERM', () => process.exit(0));
X
    cat >api/Dockerfile <<'X'
ARG BASE=debian-stack
FROM ${BASE}
ARG VERSION=none
ENV BUILT=${VERSION}
WORKDIR /app
COPY server.js .
USER nobody
EXPOSE 8000
HEALTHCHECK --interval=500ms --timeout=20s --start-period=60s --retries=60 CMD node -e "require('http').get('http://localhost:8000/health', r => process.exit(r.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"
CMD ["node", "server.js"]
X
    echo 'GREETING=hello' >api.env
    echo 'API_VERSION=1.0' >.env
    printf 'events {}\nhttp { server { listen 80; location / { proxy_pass http://api:8000; } } }\n' >nginx.conf
    cat >compose.yaml <<'X'
name: stack
services:
  web:
    image: nginx:1
    pull_policy: never
    ports: ["127.0.0.1:18080:80"]
    depends_on: {api: {condition: service_healthy, restart: true}}
    configs: [{source: nginx, target: /etc/nginx/nginx.conf}]
    networks: [front]
  api:
    build: {context: api, args: {VERSION: "${API_VERSION:?}"}}
    env_file: [api.env]
    environment:
      POSTGRES_URL: postgresql://app:${DB_PASSWORD:-password}@postgres:5432/postgres
      REDIS_URL: redis://redis:6379
    depends_on:
      postgres: {condition: service_healthy}
      redis: {condition: service_healthy}
    networks: [front, back]
  postgres:
    image: postgres:15
    pull_policy: never
    environment: {POSTGRES_USER: app, POSTGRES_PASSWORD: "${DB_PASSWORD:-password}"}
    volumes: ["postgres_data:/var/lib/postgresql/data"]
    healthcheck: {test: ["CMD-SHELL", "pg_isready -h localhost -U app"], interval: 500ms, timeout: 20s, retries: 200}
    networks: [back]
  redis:
    image: redis:7
    pull_policy: never
    command: redis-server --bind 0.0.0.0 --protected-mode no --appendonly yes
    volumes: ["redis_data:/data"]
    healthcheck: {test: ["CMD", "redis-cli", "ping"], interval: 500ms, timeout: 20s, retries: 100}
    networks: [back]
volumes: {postgres_data: {}, redis_data: {}}
networks: {front: {}, back: {driver: bridge, internal: true}}
configs: {nginx: {file: ./nginx.conf}}
X
}

long() { timeout 300 "$HOY" compose "$@"; }
visit() { curl -fsS --max-time 30 http://127.0.0.1:18080/; }

@test "stack: an API behind nginx, its database and its cache; data outlives down and goes with -v" {
    need_stacks
    write_stack
    long up -d --wait --build --quiet-build
    [ "$(visit)" = "hello 1.0 rows=1 visits=1" ]
    [ "$(visit)" = "hello 1.0 rows=2 visits=2" ]
    [[ "$(compose logs api)" == *listening* ]]
    [[ "$(compose logs postgres 2>&1)" == *"ready to accept connections"* ]]
    # another build argument, another value: only the API is made again
    db=$(id_of stack-postgres-1)
    echo 'API_VERSION=2.0' >.env
    echo 'GREETING=bonjour' >api.env
    long up -d --wait --build --quiet-build
    [ "$(visit)" = "bonjour 2.0 rows=3 visits=3" ]
    [ "$(id_of stack-postgres-1)" = "$db" ]
    long down
    # nobody was killed: the database was stopped as it wants to be
    long up -d --wait
    [ "$(visit)" = "bonjour 2.0 rows=4 visits=4" ]
    [[ "$(compose logs postgres 2>&1)" != *"was not properly shut down"* ]]
    long down -v
    long up -d --wait
    [ "$(visit)" = "bonjour 2.0 rows=1 visits=1" ]
    long down -v
    [ -z "$(hoy ps -aq)$(hoy volume ls -q)" ]
}

@test "stack: tests in an override file end the project with their status" {
    need_stacks
    write_stack
    cat >test.yaml <<'X'
services:
  web: !reset null
  api: {environment: {GREETING: tested}, networks: !override [back]}
  postgres: {tmpfs: [/var/lib/postgresql/data], volumes: !reset []}
  sut:
    image: debian-stack
    pull_policy: never
    command: [node, -e, "require('http').get('http://api:8000/', r => r.on('data', d => { console.log(d.toString()); process.exit(/^tested .* rows=1 visits=1/.test(d) ? 0 : 7) }))"]
    depends_on: {api: {condition: service_healthy}}
    networks: [back]
X
    run long -f compose.yaml -f test.yaml up --build --quiet-build --abort-on-container-exit --exit-code-from sut
    [ "$status" = 0 ]
    [[ "$output" == *"tested 1.0 rows=1 visits=1"* ]]
    sed -i 's/GREETING: tested/GREETING: wrong/' test.yaml
    long -f compose.yaml -f test.yaml down -v
    run long -f compose.yaml -f test.yaml up --abort-on-container-exit --exit-code-from sut
    [ "$status" = 7 ]
    long -f compose.yaml -f test.yaml down -v
}
