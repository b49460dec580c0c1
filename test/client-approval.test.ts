import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { TandemClient } from '../client/client.ts';
import type { TandemSession } from '../client/session.ts';
import type { SessionEvents } from '../client/types.ts';
import { startServer } from './support/server.ts';
import type { RunningServer } from './support/server.ts';

type Knock = SessionEvents['knock'];

describe('TandemClient in a session with approval', () => {
  let server: RunningServer;
  let clients: TandemClient[];
  beforeEach(async () => {
    server = await startServer();
    clients = [];
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    await server.stop();
  });

  function client(): TandemClient {
    const made = new TandemClient({ url: server.url, storage: null });
    clients.push(made);
    return made;
  }

  /** A host, and who knocks there, one after the other. */
  async function hosting(capacity = 2): Promise<{ host: TandemSession; nextKnock: () => Promise<Knock> }> {
    const host = await client().create({ name: 'Ada', approval: true, capacity });
    const knocks: Knock[] = [];
    let wake: () => void = () => undefined;
    host.on('knock', (knock) => {
      knocks.push(knock);
      wake();
    });
    const nextKnock = async (): Promise<Knock> => {
      for (;;) {
        const knock = knocks.shift();
        if (knock !== undefined) return knock;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    };
    return { host, nextKnock };
  }

  it('joins when the host lets it in', async () => {
    const { host, nextKnock } = await hosting();
    const joining = client().join(host.link() ?? '', { name: 'Bob' });
    const { knockId, name, ip } = await nextKnock();
    expect([name, ip]).toEqual(['Bob', '127.0.0.x']);
    await host.admit(knockId, true);
    const guest = await joining;
    expect(guest.info).toMatchObject({ id: host.id, status: 'paired' });
    await guest.send('text', 'thanks');
  });

  it('is refused when the host refuses, and may knock again', async () => {
    const { host, nextKnock } = await hosting();
    const joiner = client();
    const refused = joiner.join(host.link() ?? '').catch((error: unknown) => error);
    await host.admit((await nextKnock()).knockId, false);
    expect(await refused).toMatchObject({ code: 'JOIN_DENIED' });
    const joining = joiner.join(host.link() ?? '');
    await host.admit((await nextKnock()).knockId, true);
    expect((await joining).info.id).toBe(host.id);
  });

  it('knocks no more when it gives up, and may go elsewhere at once', async () => {
    const [{ host, nextKnock }, other] = [await hosting(), await client().create()];
    const giveUp = new AbortController();
    const joiner = client();
    const asked = joiner.join(host.link() ?? '', { signal: giveUp.signal });
    const { knockId } = await nextKnock();
    giveUp.abort();
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
    expect((await joiner.join(other.link() ?? '')).id).toBe(other.id);
    await expect(host.admit(knockId, true)).rejects.toMatchObject({ code: 'JOIN_DENIED' });
  });

  it('knocks no more when it is closed', async () => {
    const { host, nextKnock } = await hosting(3);
    const joiner = client();
    const asked = joiner.join(host.link() ?? '', { name: 'Bob' });
    const { knockId } = await nextKnock();
    joiner.close();
    await expect(asked).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    // The next knock is told after the withdrawal: both are changes of one session.
    const joining = client().join(host.link() ?? '', { name: 'Cat' });
    const second = await nextKnock();
    await expect(host.admit(knockId, true)).rejects.toMatchObject({ code: 'JOIN_DENIED' });
    await host.admit(second.knockId, true);
    expect((await joining).info.participants.map(({ name }) => name)).toEqual(['Ada', 'Cat']);
  });
});
