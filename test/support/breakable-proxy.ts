import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface BreakableProxy {
  /** A directory with the socket, as the driver of Postgres takes it for a host. */
  readonly host: string;
  /** Resets every connection that goes through now. */
  breakConnections(): void;
  close(): Promise<void>;
}

/** Stands between the driver and the socket of an embedded Postgres in the directory `target`. */
export async function startBreakableProxy(target: string): Promise<BreakableProxy> {
  const host = await mkdtemp(join(tmpdir(), 'tandem-proxy-'));
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(join(target, '.s.PGSQL.5432'));
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(join(host, '.s.PGSQL.5432'), resolve));
  const breakConnections = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    host,
    breakConnections,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      breakConnections();
      await closed;
      await rm(host, { recursive: true, force: true });
    },
  };
}
