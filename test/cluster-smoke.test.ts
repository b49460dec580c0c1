import { expect, it } from '@jest/globals';
import { io, type Socket } from 'socket.io-client';
import { startPostgres } from './support/postgres-server.ts';
import { startRedis } from './support/redis-server.ts';
import { startServer } from './support/server.ts';

it('pairs across instances', async () => {
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis({ appendonly: 'always' })]);
  const env = { DATABASE_URL: await postgres.createDatabase(), DATABASE_SSL: 'false', REDIS_URL: redis.url };
  const servers = [await startServer(env), await startServer(env), await startServer(env)];
  const sockets: Socket[] = [];
  const open = (index: number) => {
    const socket = io(servers[index]?.url ?? '', { transports: ['websocket'], forceNew: true });
    socket.onAny((event: string, payload: unknown) => console.log(index, event, JSON.stringify(payload).slice(0, 150)));
    sockets.push(socket);
    return socket;
  };
  const [a, b] = [open(0), open(1)];
  const created = await a.timeout(5000).emitWithAck('session:create', { name: 'Ada' });
  console.log(JSON.stringify(created));
  const joined = await b.timeout(5000).emitWithAck('session:join', { code: created.session.code, name: 'Bob' });
  console.log(JSON.stringify(joined));
  for (let n = 0; n < 5; n += 1) {
    console.log(JSON.stringify(await a.timeout(5000).emitWithAck('message:send', { id: `message-${n}`, body: n })));
    console.log(JSON.stringify(await b.timeout(5000).emitWithAck('message:send', { id: `message-${n}`, body: n })));
  }
  console.log(JSON.stringify(await b.timeout(5000).emitWithAck('signal:send', { type: 'x', body: 1 })));
  await new Promise((r) => setTimeout(r, 1500));
  console.log(JSON.stringify(await b.timeout(5000).emitWithAck('session:get', {})));
  console.log(await (await fetch(`${servers[0]?.url}/health/ready`)).text());
  console.log(JSON.stringify(await a.timeout(5000).emitWithAck('session:kick', { participantId: joined.self.participantId })));
  await new Promise((r) => setTimeout(r, 300));
  console.log(JSON.stringify(await a.timeout(5000).emitWithAck('session:close', {})));
  await new Promise((r) => setTimeout(r, 300));
  for (const socket of sockets) socket.close();
  for (const server of servers) await server.stop();
  await redis.stop();
  await postgres.stop();
  expect(1).toBe(1);
}, 60000);
