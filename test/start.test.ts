import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyDataDirectory } from './support/data-directory.ts';
import { spawnProcess, spawnServer } from './support/spawned-server.ts';
import type { ServerProcess } from './support/spawned-server.ts';

describe('starting', () => {
  let data: Awaited<ReturnType<typeof copyDataDirectory>>;
  const processes = new Set<ServerProcess>();

  beforeEach(async () => {
    data = await copyDataDirectory();
  });
  afterEach(async () => {
    for (const process of processes) {
      process.signal('SIGKILL');
      await process.exited;
    }
    processes.clear();
    await data.remove();
  });

  function track<P extends ServerProcess>(process: P): P {
    processes.add(process);
    return process;
  }

  const outputOf = (process: ServerProcess) =>
    process.stderr() + process.log.all.map((line) => JSON.stringify(line)).join('\n');

  it('on port 0 takes a free port, and says what it runs on', async () => {
    const one = track(await spawnServer(data.dir));
    expect(one.port).toBeGreaterThan(0);
    const line = one.log.all.find(({ event }) => event === 'server_started');
    expect(line).toMatchObject({ port: one.port, durability: 'archived' });
    for (const field of ['state', 'database', 'limits']) expect(line).toHaveProperty(field);
    const answer = await fetch(`${one.url}/health/ready`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ status: 'ready' });
    expect(await one.sigterm()).toBe(0);
  });

  it('on a data directory that is in use is refused with 1, and the first goes on', async () => {
    const first = track(await spawnServer(data.dir));
    const second = track(spawnProcess(data.dir));
    expect(await second.exited).toBe(1);
    expect(outputOf(second)).toContain(data.dir);
    expect(second.log.all.some(({ event }) => event === 'server_started')).toBe(false);
    expect((await fetch(`${first.url}/health/ready`)).status).toBe(200);
    expect(await first.sigterm()).toBe(0);
    // Free again.
    expect(await track(await spawnServer(data.dir)).sigterm()).toBe(0);
  });

  it('on a port that is in use is refused with 1, and leaves the data directory free', async () => {
    const other = await copyDataDirectory();
    try {
      const first = track(await spawnServer(other.dir));
      const second = track(spawnProcess(data.dir, { PORT: String(first.port) }));
      expect(await second.exited).toBe(1);
      expect(outputOf(second)).toContain(String(first.port));
      expect(await track(await spawnServer(data.dir)).sigterm()).toBe(0);
      expect(await first.sigterm()).toBe(0);
    } finally {
      await other.remove();
    }
  });

  it('with a wrong configuration ends with 78 and one line for each fault, and shows no secret', async () => {
    const secret = 'thirty-one-bytes-of-a-secret-xx';
    const process = track(
      spawnProcess(data.dir, {
        PORT: '70000',
        JWT_SECRET: secret,
        TRUST_PROXY: 'true',
        PARTICIPANT_GRACE: 'ten',
        CODE_LENGTH: '5',
        RATE_LIMIT_MESSAGES_USER_POINTS: '-1',
        CORS_ORIGINS: 'https://app.example/path',
        LOG_LEVEL: 'loud',
      }),
    );
    expect(await process.exited).toBe(78);
    const output = outputOf(process);
    for (const [variable, value] of [
      ['PORT', '70000'],
      ['JWT_SECRET', ''],
      ['TRUST_PROXY', 'true'],
      ['PARTICIPANT_GRACE', 'ten'],
      ['CODE_LENGTH', '5'],
      ['RATE_LIMIT_MESSAGES_USER_POINTS', '-1'],
      ['CORS_ORIGINS', 'https://app.example/path'],
      ['LOG_LEVEL', 'loud'],
    ] as const) {
      const lines = output.split('\n').filter((line) => new RegExp(`\\b${variable}\\b`).test(line));
      expect({ variable, lines: lines.length }).toEqual({ variable, lines: 1 });
      expect(lines[0]).toContain(value);
    }
    expect(output).not.toContain(secret);
    expect(process.log.all.some(({ event }) => event === 'server_started')).toBe(false);
  });

  it.each([
    ['DATABASE_URL', 'postgres://127.0.0.1/tandem'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'grpc://127.0.0.1:4317'],
  ])('with a %s that cannot be used ends with 78', async (variable, value) => {
    const process = track(spawnProcess(data.dir, { [variable]: value }));
    expect(await process.exited).toBe(78);
    expect(outputOf(process)).toContain(variable);
  });
});
