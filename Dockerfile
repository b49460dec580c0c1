# Three stages: what builds and what was needed for it stay behind; the last one holds the server, its packages and Node.js.
# --ignore-scripts: no package may run code at install; the native ones bring their binaries as packages.

FROM node:24.21-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY LICENSE tsconfig.json tsconfig.build.json ./
COPY protocol protocol
COPY server server
COPY client client
COPY web web
COPY migrations migrations
COPY docs docs
COPY scripts scripts
RUN npm run build

FROM node:24.21-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --omit=dev --no-audit --no-fund

FROM node:24.21-bookworm-slim
# Logs go to standard output, so that nothing has to be written; DATA_DIR is written by the embedded database alone.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3001 DATA_DIR=/data LOG_DIR=-
WORKDIR /app
# They belong to root: the server can read itself, and cannot change itself.
COPY package.json LICENSE ./
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
RUN mkdir --mode=0700 /data && chown node:node /data
VOLUME /data
# The number of "node": Kubernetes cannot see by a name that it is not root.
USER 1000:1000
EXPOSE 3001
STOPSIGNAL SIGTERM
# Liveness: an instance that cannot reach Redis is not ready, and is not helped by a restart either.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/server/main.js"]
