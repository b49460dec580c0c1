import { describe, expect, it } from '@jest/globals';
import { Client } from './support/client.ts';
import { HOSTILE_NAMES } from './support/hostile-names.ts';
import { stagePages } from './support/page-stage.ts';

const stage = stagePages();

describe('hostile names', () => {
  it.each([0, 1])(
    'do nothing, and stay in their lines (half %d)',
    async (half) => {
      const size = Math.ceil(HOSTILE_NAMES.length / 2);
      const names = HOSTILE_NAMES.slice(half * size, (half + 1) * size);
      const clients = names.map(() => new Client(stage.url));
      try {
        const host = clients[0] as Client;
        const guests = clients.slice(1);
        const { session } = await host.do('session:create', { name: names[0] ?? '', capacity: 50 });
        const code = session.code ?? '';
        for (const [index, guest] of guests.entries())
          await guest.do('session:join', { code, name: names[index + 1] ?? '' });
        const ada = await stage.visitor({ viewport: { width: 360, height: 740 } });
        const calls: string[] = [];
        await ada.page.exposeFunction('pwned', () => calls.push('pwned'));
        ada.page.on('dialog', (dialog) => calls.push(dialog.message()));
        await ada.join(stage.url, code, 'Ada');
        await ada.person('Ada').waitFor();
        const people = ada.page.getByRole('list', { name: 'Participants' });
        expect(await people.getByRole('listitem').count()).toBe(names.length + 1);
        expect(await people.locator('li > :not(bdi, span, button)').count()).toBe(0);
        expect(await people.locator('bdi > *, span > *').count()).toBe(0);
        // Nobody is higher than three lines of a name, or wider than the list.
        const boxes = await people.locator('.name').evaluateAll((shown) => shown.map((name) => name.clientHeight));
        expect(Math.max(...boxes)).toBeLessThan(80);
        await ada.assertAccessible(`hostile names, half ${half}`);
        expect(calls).toEqual([]);
        expect(await ada.page.title()).toBe('Tandem');
      } finally {
        for (const client of clients) client.close();
      }
    },
    30_000,
  );
});
