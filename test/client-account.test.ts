import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { Account } from '../client/account.ts';
import type * as Accounts from '../client/account.ts';
import { TandemClient } from '../client/client.ts';
import { systemClock } from '../client/clock.ts';
import type * as Library from '../client/index.ts';
import { PASSWORD } from './support/api.ts';
import { copyDataDirectory } from './support/data-directory.ts';
import { FakeStorage } from './support/fake-storage.ts';
import { launchChromium } from './support/page-stage.ts';
import { spawnServer } from './support/spawned-server.ts';
import type { SpawnedServer } from './support/spawned-server.ts';

const docs = readFileSync(path.join(import.meta.dirname, '../docs/client.md'), 'utf8');
const [, example = ''] = /^## Accounts$.*?^```js run-by=accounts\n(.*?)^```$/ms.exec(docs) ?? [];
const ADDRESS = 'http://127.0.0.1:3001';
const SLEEP_MS = 20 * 60_000;

let server: SpawnedServer;
let browser: Browser;
const data = copyDataDirectory();
const owned: { close: () => void }[] = [];

beforeAll(async () => {
  [server, browser] = await Promise.all([data.then(({ dir }) => spawnServer(dir)), launchChromium()]);
}, 60_000);
afterAll(async () => {
  for (const one of owned) one.close();
  await browser.close();
  await server.kill9();
  await (await data).remove();
}, 60_000);

const credentials = () => ({ email: `${randomUUID()}@example.com`, password: PASSWORD });

function own<T extends { close: () => void }>(made: T): T {
  owned.push(made);
  return made;
}

/** A device whose clocks can be set, and what its account tells. */
function device() {
  const clock = { aheadMs: 0 };
  const storage = new FakeStorage();
  const account = own(
    new Account({ url: server.url, storage }, { clock: { ...systemClock, now: () => Date.now() + clock.aheadMs } }),
  );
  const client = own(new TandemClient({ url: server.url, token: account.token, storage: null }));
  account.follow(client);
  return { account, client, clock, storage };
}

function next<T>(on: (listener: (payload: T) => void) => () => void, matches: (payload: T) => boolean = () => true) {
  return new Promise<T>((resolve) => {
    const off = on((payload) => {
      if (!matches(payload)) return;
      off();
      resolve(payload);
    });
  });
}

describe('an account of the library', () => {
  it('has a fresh token for each connection, and ends with its login', async () => {
    const { account, client, clock, storage } = device();
    const user = await account.register({ ...credentials(), name: 'Ada' });
    const session = await client.create();
    expect(session.info.participants).toMatchObject([{ userId: user.id }]);
    const first = await account.token();
    clock.aheadMs += SLEEP_MS;
    client.close();
    const resumed = next<{ kind: string }>(
      (listener) => client.on('connection', listener),
      ({ kind }) => kind === 'online',
    );
    const renewed = next<{ token: string }>((listener) => account.on('renewed', listener));
    session.resumeHere();
    expect((await renewed).token).not.toBe(first);
    await resumed;
    await session.send('text', 'under the fresh one');
    // By hand it goes on under the newest too, and under nothing else.
    await client.refreshToken((await account.token()) ?? '');
    await expect(client.refreshToken('none of ours')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });

    const { messages } = await account.messages(session.id);
    expect(messages.map(({ body }) => body)).toEqual(['under the fresh one']);
    expect((await account.sessions({ limit: 1 })).sessions.map(({ id }) => id)).toEqual([session.id]);

    const phone = own(new Account({ url: server.url, storage: null }));
    await phone.signIn({ email: user.email ?? '', password: PASSWORD });
    const logins = await phone.logins();
    expect(logins.map(({ current }) => current)).toEqual([true, false]);
    const ended = next((listener) => session.on('ended', listener));
    const signedOut = next((listener) => account.on('signedOut', listener));
    await phone.endLogin(logins[1]?.id ?? '');
    expect(await ended).toMatchObject({ reason: 'revoked', canResume: true });
    expect(await signedOut).toEqual({ user, reason: 'refused' });
    expect(storage.items.has('tandem.account')).toBe(false);
    expect(await account.token()).toBeNull();

    // The seat waits for its user.
    await account.signIn({ email: user.email ?? '', password: PASSWORD });
    const back = next<{ kind: string }>(
      (listener) => client.on('connection', listener),
      ({ kind }) => kind === 'online',
    );
    session.resumeHere();
    await back;
    await session.send('text', 'again');
    await account.changePassword({ current: PASSWORD, next: 'another one altogether' });
    await expect(phone.me()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect((await account.me()).id).toBe(user.id);
    await account.signOutEverywhere();
    expect(account.user).toBeNull();
  }, 30_000);

  it('is one for all tabs: they refresh once, and sign out together', async () => {
    const context = await browser.newContext();
    const refreshes: string[] = [];
    context.on('request', (request) => {
      if (request.url().endsWith('/auth/refresh')) refreshes.push(request.url());
    });
    const pages = [await openTab(await context.newPage()), await openTab(await context.newPage())] as const;
    const [one, other] = pages;
    await one.evaluate(([email, password]) => tab().account.register({ email, password }), [
      credentials().email,
      PASSWORD,
    ] as const);
    await other.waitForFunction(() => tab().told.includes('in'));
    await other.evaluate(() => tab().client.create());
    const [before] = await Promise.all(pages.map((page) => page.evaluate(() => tab().account.token())));

    for (const page of pages) await page.evaluate((aheadMs) => void (tab().aheadMs = aheadMs), SLEEP_MS);
    const [first, second] = await Promise.all(pages.map((page) => page.evaluate(() => tab().account.token())));
    expect(first).toBe(second);
    expect(first).not.toBe(before);
    expect(refreshes).toHaveLength(1);

    await one.evaluate(() => tab().account.signOut());
    await other.waitForFunction(() => tab().told.includes('out elsewhere'));
    await other.waitForFunction(() => tab().client.session?.ended?.reason === 'revoked');
    await context.close();
  }, 30_000);

  it('works as the documentation says', async () => {
    expect(example).toContain(ADDRESS);
    const sample = example
      .replaceAll(ADDRESS, server.url)
      .replace(/^import (\{.*?\}) from ('.*?');$/gm, 'const $1 = await import($2);');
    const page = await browser.newPage();
    const printed: string[] = [];
    page.on('console', (message) => printed.push(message.text()));
    await page.goto(`${server.url}/client/account.js`);
    await page.evaluate(`(async () => { ${sample} })()`);
    expect(printed).toEqual([expect.stringMatching(/^ada@example\.com is in [\w-]{36}$/), 'signed out: here']);
  }, 30_000);
});

interface Tab {
  readonly account: Account;
  readonly client: TandemClient;
  readonly told: string[];
  aheadMs: number;
}

/** In the page; there it is a name of its own. */
declare function tab(): Tab;

/** A page with the library as the server serves it. */
async function openTab(page: Page): Promise<Page> {
  // Of the server's origin: the text of the module, which nothing runs.
  await page.goto(`${server.url}/client/account.js`);
  await page.evaluate(async () => {
    const load = (name: string): Promise<unknown> => import(`/client/${name}.js`);
    const accounts = (await load('account')) as typeof Accounts;
    const library = (await load('tandem')) as typeof Library;
    const made = { told: [] as string[], aheadMs: 0 };
    const clock = {
      now: () => Date.now() + made.aheadMs,
      monotonic: () => performance.now(),
      after: (delayMs: number, callback: () => void) => {
        const timer = setTimeout(callback, delayMs);
        return () => clearTimeout(timer);
      },
    };
    const account = new accounts.Account({}, { clock });
    const client = new library.TandemClient({ token: account.token });
    account.follow(client);
    account.on('signedIn', () => made.told.push('in'));
    account.on('signedOut', ({ reason }) => made.told.push(`out ${reason}`));
    Object.assign(globalThis, { tab: () => Object.assign(made, { account, client }) });
  });
  return page;
}
