import { describe, expect, it } from '@jest/globals';
import { stageInstances, stageStores } from '../support/instances-stage.ts';
import { codeOf } from '../support/stage.ts';

const stores = stageStores();
const stage = stageInstances(stores, { count: 2, spawned: true });

describe('a knock', () => {
  it('ends with the instance at which it was made: an admission gives no seat with nobody behind it', async () => {
    const host = await stage.host(0, { approval: true, capacity: 3 });
    const code = codeOf(host.session);
    const witness = await stage.connect(1);
    const joined = witness.do('session:join', { code });
    const { knockId: first } = await host.client.next('session:knock');
    await host.client.do('session:admit', { knockId: first, admit: true });
    await joined;
    const joiner = await stage.connect(1);
    joiner.send('session:join', { code, name: 'Grace' }).catch(() => undefined);
    const { knockId } = await host.client.next('session:knock', ({ name }) => name === 'Grace');
    await stage.processes[1]?.kill9();
    // The instance counts as dead from here on, and nobody looks for what it held any more.
    await host.client.next('session:presence', ({ presence }) => presence === 'away', 15_000);
    expect(await host.client.refusal('session:admit', { knockId, admit: true })).toMatchObject({ code: 'JOIN_DENIED' });
    const { session } = await host.client.do('session:get', {});
    expect(session.participants.map(({ presence }) => presence)).toEqual(['online', 'away']);
  }, 40_000);
});
