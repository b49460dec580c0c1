import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from '@jest/globals';
import { eventually } from './eventually.ts';
import { startRedis, type RedisServer } from './redis-server.ts';

const servers: RedisServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function started(...options: Parameters<typeof startRedis>): Promise<RedisServer> {
  const server = await startRedis(...options);
  servers.push(server);
  return server;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // there is no such process
  }
}

describe('a Redis of a test', () => {
  it('keeps what it was told to keep through a kill and a restart on the same port', async () => {
    const server = await started({ appendonly: 'always' });
    const { pid, port } = server;
    await server.command('SET', 'a', '1');
    await server.kill();
    expect(isAlive(pid)).toBe(false);
    await server.restart();
    expect([await server.command('GET', 'a'), server.port, server.pid !== pid]).toEqual(['1', port, true]);
  });

  it('is empty after a restart without a log, and answers nothing while it is frozen', async () => {
    const server = await started();
    await server.command('SET', 'a', '1');
    await server.restart();
    expect(await server.command('GET', 'a')).toBeNull();
    server.freeze();
    let isAnswered = false;
    const answer = server.command('PING').then(() => (isAnswered = true));
    // Another server, started and asked meanwhile, is the measure of time enough.
    await (await started()).command('PING');
    expect(isAnswered).toBe(false);
    server.thaw();
    await answer;
  });

  it('leaves nothing behind when it is stopped, frozen or not', async () => {
    const server = await started();
    server.freeze();
    await server.stop();
    await server.stop();
    expect([isAlive(server.pid), existsSync(server.dir)]).toEqual([false, false]);
  });

  it('ends with the process that started it, however that ends', async () => {
    const script = `
      const { startRedis } = await import(${JSON.stringify(new URL('./redis-server.ts', import.meta.url).href)});
      const server = await startRedis();
      server.freeze();
      console.log(JSON.stringify({ pid: server.pid, dir: server.dir }));
      setInterval(() => undefined, 1000);
    `;
    const args = ['--import', 'tsx', '--input-type=module', '-e', script];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]; // by the interface of readline
    const { pid, dir } = JSON.parse(line) as { pid: number; dir: string }; // as written above
    expect([isAlive(pid), existsSync(dir)]).toEqual([true, true]);
    child.kill('SIGKILL');
    await eventually(() => {
      expect([isAlive(pid), existsSync(dir)]).toEqual([false, false]);
      return Promise.resolve();
    });
  });
});
