import { createClient } from 'redis';
import type { RedisServer } from './redis-server.ts';

export interface Seen {
  readonly isFromScript: boolean;
  /** The command and its arguments, quoted. */
  readonly text: string;
}

/** Everything that Redis was asked while the action ran. What a script does stands behind its call. */
export async function monitored(redis: RedisServer, action: () => Promise<void>): Promise<Seen[]> {
  const watcher = createClient({ url: redis.url });
  await watcher.connect();
  const seen: Seen[] = [];
  let tellEnd: () => void = () => undefined;
  const isEnd = new Promise<void>((resolve) => (tellEnd = resolve));
  await watcher.monitor((line) => {
    const [, from = '', text = ''] = /^[^[]*\[\d+ ([^\]]*)\] (.*)$/s.exec(line) ?? [];
    seen.push({ isFromScript: from === 'lua', text });
    if (text.includes('"the end of it"')) tellEnd();
  });
  await action();
  await redis.command('ECHO', 'the end of it');
  await isEnd;
  watcher.destroy();
  return seen;
}
