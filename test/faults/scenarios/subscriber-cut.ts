import type { Arena } from '../arena.ts';

/** Redis lists its clients by the ports from which it sees them: those of the proxy. Gives how many were cut. */
export async function cutSubscribers({ deployment: { redis, redisLinks } }: Arena, index: number): Promise<number> {
  if (redis === null) throw new Error('this fault needs a Redis of its own');
  const list = String(await redis.command('CLIENT', 'LIST'));
  const ports = new Set(
    list.split('\n').flatMap((line) => {
      const isSubscribed = /\b(sub|psub|ssub)=[1-9]/.test(line);
      return isSubscribed ? [Number(/\baddr=\S*:(\d+)/.exec(line)?.[1])] : [];
    }),
  );
  const connections = (redisLinks[index]?.connections ?? []).filter(({ farPort }) => ports.has(farPort ?? 0));
  for (const connection of connections) connection.set({ kind: 'swallow' }, 'down');
  return connections.length;
}
