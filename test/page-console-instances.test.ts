import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { ADMIN_TOKEN, openConsole, row, tile, timeline } from './support/console-page.ts';
import { administer } from './support/fresh-database.ts';
import { stageInstances, stageStores } from './support/instances-stage.ts';
import { launchChromium, Visitor } from './support/page-stage.ts';

const stores = stageStores();
let browser: Browser | undefined;
let visitors: Visitor[] = [];

beforeAll(async () => {
  browser = await launchChromium();
}, 60_000);
afterEach(async () => {
  const faults = visitors.flatMap((visitor) => visitor.faults);
  await Promise.all(visitors.map(({ page }) => page.context().close()));
  visitors = [];
  expect(faults).toEqual([]);
});
afterAll(() => browser?.close());

async function operatorAt(url: string): Promise<Visitor> {
  if (browser === undefined) throw new Error('the browser starts before the first test');
  const visitor = new Visitor(await browser.newPage());
  visitors.push(visitor);
  await openConsole(visitor, url);
  return visitor;
}

describe('the console over three instances', () => {
  const stage = stageInstances(stores, { spawned: true, env: { ADMIN_TOKEN } });

  it('lists 10,000 sessions and stays light', async () => {
    await administer(stage.env['DATABASE_URL'] ?? '', MANY_SESSIONS);
    const operator = await operatorAt(stage.urls[0] ?? '');
    await operator.page.getByRole('link', { name: 'Sessions' }).click();
    await operator.isTold(/^The newest 50 sessions, at .* There are more\.$/);
    for (let page = 2; page <= 10; page += 1) {
      await operator.button('Load more').click();
      await operator.isTold(new RegExp(`^The newest ${page * 50} sessions`));
    }
    await operator.button('Show the next ones instead').click();
    await operator.isTold(/^50 sessions after the first 500/);
    expect(await row(operator, 'Sessions, the newest first', /./).count()).toBe(51);
    await operator.page.getByLabel('Start of an id, or of a name').fill('person 9999');
    await operator.page.keyboard.press('Enter');
    await operator.isTold(/^1 session, at /);
    await operator.page.getByRole('link', { name: '0190a000-0000-7000-8000-000000009999' }).click();
    await row(operator, 'Participants', 'Person 9999').waitFor();
  }, 60_000);

  it('tells a frozen instance from those that live, drains one, and survives its own', async () => {
    const [first, second, third] = stage.processes;
    if (first === undefined || second === undefined || third === undefined) throw new Error('expected three instances');
    const ada = await stage.host(0, { name: 'Ada' });
    const bob = await stage.guest(1, ada.session.code, { name: 'Bob' });
    const operator = await operatorAt(stage.urls[0] ?? '');
    await tile(operator, 'Instances ready').getByText('3 of 3', { exact: true }).waitFor();
    await operator.page.getByLabel('All together').check();
    await operator.page.getByLabel('One for each instance').check();
    third.signal('SIGSTOP');
    await operator.isTold(/, one of 3, does not report: it is frozen, cut off or gone/);
    await tile(operator, 'Instances ready').getByText('2 of 3', { exact: true }).waitFor();
    await row(operator, 'Instances', /Silent since \d\d:\d\d:\d\d/).waitFor();
    await operator.page
      .getByRole('log', { name: 'Changes' })
      .getByText(/does not report any more/)
      .waitFor();
    await operator.assertAccessible('a frozen instance');
    await third.kill9();

    await operator.page.evaluate((id) => (location.hash = `#/sessions/${id}`), ada.session.id);
    await timeline(operator).getByText('\u2068Bob\u2069 joined.').waitFor();
    await operator.button(/^Remove .*Bob/).click();
    await operator.confirm('Remove');
    expect(await bob.client.next('connection:closing')).toMatchObject({ reason: 'kicked' });
    await operator.page.goBack();

    // They stand in the order of their starts, and the first of them started alone.
    const living = row(operator, 'Instances', 'Ready');
    await living.nth(1).waitFor();
    await living.nth(1).getByRole('button').click();
    await operator.isTold(/^Its connections move to other instances/);
    await operator.confirm('Drain it');
    expect(await second.exited).toBe(0);
    await first.kill9();
    await operator.isTold(/^The connection is lost\. Connecting again\. What you see is of \d\d:\d\d:\d\d\.$/);
    expect(await operator.page.locator('body[data-stale="true"]').count()).toBe(1);
    await operator.assertAccessible('no connection');
  }, 90_000);
});

/** Closed ones: nothing in the hot state has to know them. Without the triggers, which would take half a minute. */
const MANY_SESSIONS = `
  set session_replication_role = replica;
  insert into sessions (
    id, epoch, created_at, capacity, locked, approval, share_history, metadata, ever_paired, closed_reason, closed_at,
    last_activity_at
  )
  select ('0190a000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 1, now() - interval '1 hour', 2, false, false,
    false, '{}', false, 'closed', now(), now()
  from generate_series(1, 10000) n;
  insert into participants (id, session_id, role, name, token_hash, joined_at, joined_seq)
  select gen_random_uuid(), id, 'host', 'Person ' || right(id::text, 4), 'x', now() - interval '1 hour', 0 from sessions;
`;
