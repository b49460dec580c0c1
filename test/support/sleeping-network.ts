import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

interface Line {
  readonly near: Socket;
  readonly far: Socket;
  isUpDead: boolean;
  isDownDead: boolean;
}

/**
 * Stands between a device and a server, and goes quiet as a network does when the device sleeps: what is sent over the
 * connections of before goes nowhere, and neither side is told. New connections work.
 */
export interface SleepingNetwork {
  readonly url: string;
  /** From now on nothing more comes from the server over the connections that are open. */
  loseAnswers(): void;
  /** From now on nothing passes over the connections that are open, either way, nor do their ends. */
  cut(): void;
  /** The server is told of what was cut, as by a network that gives up; the device is not. */
  tellServer(): void;
  /** Both sides are told of what was cut, as a device's own network tells at last. */
  endCut(): void;
  close(): Promise<void>;
}

export async function startSleepingNetwork(port: number): Promise<SleepingNetwork> {
  const lines = new Set<Line>();
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    const line: Line = { near, far, isUpDead: false, isDownDead: false };
    lines.add(line);
    near.on('data', (bytes) => {
      if (!line.isUpDead) far.write(bytes);
    });
    far.on('data', (bytes) => {
      if (!line.isDownDead) near.write(bytes);
    });
    near.on('close', () => {
      if (!line.isUpDead) far.destroy();
    });
    far.on('close', () => {
      if (!line.isDownDead) near.destroy();
    });
    // 'close' follows.
    near.on('error', () => undefined);
    far.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: own } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${own}`,
    loseAnswers: () => {
      for (const line of lines) line.isDownDead = true;
    },
    cut: () => {
      for (const line of lines) Object.assign(line, { isUpDead: true, isDownDead: true });
    },
    tellServer: () => {
      for (const { far, isUpDead, isDownDead } of lines) if (isUpDead && isDownDead) far.destroy();
    },
    endCut: () => {
      for (const { near, far, isUpDead, isDownDead } of lines) {
        if (!isUpDead || !isDownDead) continue;
        near.destroy();
        far.destroy();
      }
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const { near, far } of lines) {
        near.destroy();
        far.destroy();
      }
      await closed;
    },
  };
}
