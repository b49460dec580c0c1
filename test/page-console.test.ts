import { afterEach, describe, expect, it } from '@jest/globals';
import type { CommandPayload } from '../protocol/commands.ts';
import { Api, PASSWORD } from './support/api.ts';
import { Client } from './support/client.ts';
import type { ClientOptions } from './support/client.ts';
import { ADMIN_TOKEN, openConsole, row, tile, timeline, typeToken } from './support/console-page.ts';
import { limit } from './support/environment.ts';
import { HOSTILE_NAMES } from './support/hostile-names.ts';
import { stagePages } from './support/page-stage.ts';
import type { Visitor } from './support/page-stage.ts';
import { resumeOf } from './support/seat.ts';
import type { Seat } from './support/seat.ts';
import { codeOf } from './support/stage.ts';

const stage = stagePages({ ADMIN_TOKEN, ...limit('messages_connection', { points: 3, durationSeconds: 60 }) });
let clients: Client[] = [];

afterEach(() => {
  for (const client of clients) client.close();
  clients = [];
});

function connect(options: ClientOptions = {}): Client {
  const client = new Client(stage.url, options);
  clients.push(client);
  return client;
}

async function host(payload: CommandPayload<'session:create'> = {}): Promise<Seat> {
  const client = connect();
  return { client, ...(await client.do('session:create', payload)) };
}

async function guest({ session }: Seat, name: string): Promise<Seat> {
  const client = connect();
  return { client, ...(await client.do('session:join', { code: codeOf(session), name })) };
}

/** Id of what has the focus, or what it says. */
function focused(operator: Visitor): Promise<string> {
  return operator.page.evaluate(() => {
    const { id = '', textContent = '' } = document.activeElement ?? {};
    return id === '' ? textContent : id;
  });
}

describe('the admin token', () => {
  it('opens the console, is kept nowhere, and is forgotten', async () => {
    const operator = await stage.visitor();
    await operator.page.goto(`${stage.url}/console`);
    await operator.page.keyboard.press('Enter');
    await operator.isTold('Type or paste the admin token.');
    await typeToken(operator, 'not-the-token-of-this-server');
    await operator.isTold(/does not take this token/);
    expect([await focused(operator), await operator.page.getByLabel('Admin token').inputValue()]).toEqual([
      'token',
      '',
    ]);
    await operator.assertAccessible('a wrong token');
    await typeToken(operator, ADMIN_TOKEN);
    await operator.page.getByRole('heading', { name: 'Overview' }).waitFor();
    const kept = () => operator.page.evaluate(() => [localStorage.length, document.cookie, sessionStorage.length]);
    expect(await kept()).toEqual([0, '', 0]);
    await operator.page.reload();
    await operator.page.getByLabel('Admin token').waitFor();
    expect(await operator.page.locator('.tile').count()).toBe(0);
    await typeToken(operator, ADMIN_TOKEN);
    await operator.page.getByRole('heading', { name: 'Overview' }).waitFor();
    await operator.button('Forget token').click();
    expect([await focused(operator), await operator.page.locator('.tile').count()]).toEqual(['token', 0]);
  }, 30_000);
});

describe('the overview', () => {
  it('shows what the server does, in lines and in words', async () => {
    const ada = await host({ name: 'Ada' });
    const bob = await guest(ada, 'Bob');
    const operator = await stage.visitor();
    await openConsole(operator, stage.url);
    await row(operator, 'Instances', 'Ready').waitFor();
    await tile(operator, 'Participants online').getByText('2', { exact: true }).waitFor();
    await operator.isTold('Not used: one process keeps all in memory');
    await operator.isTold(/^archived: An acknowledged message was committed/);
    for (const id of ['first-message', 'second-message']) await ada.client.do('message:send', { id, body: 'x' });
    await bob.client.next('message:new');
    // The counters went on, and the page has made a rate of them.
    await operator.page.waitForFunction(() =>
      /^Messages in the last 10 minutes\. \S+ .*between 0\/s and (?!0\/s)/.test(
        document.querySelectorAll('.plot')[2]?.getAttribute('aria-label') ?? '',
      ),
    );
    expect(await operator.page.locator('.plot canvas').count()).toBe(5);
    await operator.page.getByText('The figures as a table').click();
    // Filled when the browser tells that it is open.
    await row(operator, 'Figures of this moment', /./).nth(1).waitFor();
    expect(await row(operator, 'Figures of this moment', /./).count()).toBe(2);
    await operator.assertAccessible('overview');
  }, 30_000);
});

describe('a session', () => {
  it('is told in depth, is rid of somebody, and is closed', async () => {
    const ada = await host({ name: 'Ada', metadata: { room: 'blue' } });
    let bob = await guest(ada, 'Bob');
    const left = bob.client.socket;
    left.io.engine.close();
    await ada.client.next('session:presence', ({ presence }) => presence === 'away');
    bob = { ...bob, client: connect({ auth: resumeOf(bob) }) };
    await bob.client.next('session:resumed');
    for (const id of ['message-1', 'message-2', 'message-3', 'message-4']) {
      await bob.client.send('message:send', { id, body: 'x' });
    }
    const operator = await stage.visitor();
    await openConsole(operator, stage.url, `#/sessions/${ada.session.id}`);
    await operator.isTold('All of them (up to 3)');
    await timeline(operator)
      .getByText(/Bob\u2069 was refused by the limit messages_connection/)
      .waitFor();
    await operator.button(/^Remove .*Bob/).click();
    await operator.assertAccessible('question');
    await operator.confirm('Remove');
    expect(await bob.client.next('connection:closing')).toMatchObject({ reason: 'kicked' });
    await timeline(operator).getByText('\u2068Bob\u2069 was removed.').waitFor();
    expect(await focused(operator)).toBe('Session');
    const lines = await timeline(operator).locator('span').allTextContents();
    expect(lines.map((line) => line.replace(/[\u2068\u2069]/g, ''))).toEqual(
      expect.arrayContaining([
        'The session was created.',
        'Ada joined.',
        'Bob joined.',
        'The session was paired: two are in it.',
        'Bob lost the connection.',
        'Bob came back.',
        'Bob was removed.',
      ]),
    );
    await operator.button('Close the session').click();
    await operator.confirm('Close it');
    expect(await ada.client.next('session:closed')).toMatchObject({ reason: 'closed' });
    await operator.isTold('The session is closed.');
    await timeline(operator).getByText('The session was closed.').waitFor();
    expect(await operator.button('Close the session').count()).toBe(0);
    await operator.assertAccessible('closed session');
  }, 40_000);

  it('of hostile names and metadata does nothing, and stays in its lines', async () => {
    const names = HOSTILE_NAMES.filter((_name, index) => index % 2 === 0);
    const metadata = { [names[0] ?? '']: names.join(''), rest: '' };
    metadata.rest = '<img src=x onerror=pwned()>\u202e'.repeat(200).slice(0, 2_000);
    const ada = await host({ name: names[0] ?? '', capacity: 50, metadata });
    for (const name of names.slice(1)) await guest(ada, name);
    const operator = await stage.visitor();
    const calls: string[] = [];
    await operator.page.exposeFunction('pwned', () => calls.push('pwned'));
    operator.page.on('dialog', (dialog) => calls.push(dialog.message()));
    await openConsole(operator, stage.url, '#/sessions');
    await operator.page.getByRole('link', { name: ada.session.id }).click();
    await timeline(operator).first().waitFor();
    await operator.isTold(/^\{/);
    expect(await row(operator, 'Participants', /./).count()).toBe(names.length + 1);
    expect(
      await operator.page
        .locator('main :is(img, script, iframe, svg, style, pre > *, bdi > *, time + span > *)')
        .count(),
    ).toBe(0);
    const heights = await operator.page
      .locator('.shown-name, .timeline span')
      .evaluateAll((shown) => shown.map((name) => name.clientHeight));
    expect(Math.max(...heights)).toBeLessThan(120);
    expect(await operator.page.getByRole('region', { name: 'Metadata' }).textContent()).not.toMatch(/\u202e/);
    await operator.assertAccessible('hostile session');
    expect(calls).toEqual([]);
  }, 60_000);

  it('that is none is said to be none', async () => {
    const operator = await stage.visitor();
    await openConsole(operator, stage.url, '#/sessions/0190a000-0000-7000-8000-000000000001');
    await operator.isTold(/no session with this id/);
    await operator.page.evaluate(() => (location.hash = '#/sessions/nothing'));
    await operator.page.getByRole('heading', { name: 'Session' }).waitFor();
    await operator.page.waitForFunction(() => !/no session with/.test(document.body.textContent));
    await operator.page.evaluate(() => (location.hash = '#/nowhere'));
    await operator.page.getByRole('heading', { name: 'Overview' }).waitFor();
  }, 30_000);
});

describe('the list of sessions', () => {
  it('is searched, opened and left by keyboard alone', async () => {
    const ada = await host({ name: 'Zoe of the keyboard' });
    await host({ name: 'Somebody else' });
    const operator = await stage.visitor();
    const { keyboard } = operator.page;
    await operator.page.goto(`${stage.url}/console`);
    await operator.page.waitForFunction(() => document.activeElement?.id === 'token');
    await keyboard.type(ADMIN_TOKEN);
    await keyboard.press('Enter');
    await operator.page.waitForFunction(() => document.activeElement?.textContent === 'Overview');
    await tabTo(operator, 'Sessions', 'Shift+Tab');
    await keyboard.press('Enter');
    await operator.page.waitForFunction(() => document.activeElement?.tagName === 'H1');
    expect(await focused(operator)).toBe('Sessions');
    await tabTo(operator, 'search');
    await keyboard.type('zoe of');
    await keyboard.press('Enter');
    await operator.isTold(/^1 session, at /);
    await operator.assertAccessible('list');
    await tabTo(operator, ada.session.id);
    await keyboard.press('Enter');
    await operator.page.waitForFunction(() => document.activeElement?.textContent === 'Session');
    await operator.button('Close the session').waitFor();
    await tabTo(operator, 'Close the session');
    await keyboard.press('Enter');
    await operator.page.getByRole('dialog', { name: 'Close this session for all?' }).waitFor();
    await keyboard.press('Escape');
    expect(await focused(operator)).toBe('Close the session');
    // Back in the list, it is as it was.
    await operator.page.goBack();
    await row(operator, 'Sessions, the newest first', ada.session.id).waitFor();
    expect(await operator.page.getByLabel('Start of an id, or of a name').inputValue()).toBe('zoe of');
    await operator.page.getByLabel('Status').selectOption('paired');
    await operator.isTold(/^No session fits/);
  }, 40_000);
});

describe('a user', () => {
  it('is found by address, and signed out on one device and on all', async () => {
    const api = new Api(stage.url);
    const email = 'ada@console.example';
    const body = { email, password: PASSWORD };
    const { user } = await api.ok<{ user: { id: string } }>('POST', '/api/v1/auth/register', {
      body: { ...body, name: '<b>Ada</b>' },
    });
    for (const agent of ['Phone <img src=x>', 'Tablet']) {
      await api.ok('POST', '/api/v1/auth/login', { body, headers: { 'User-Agent': agent } });
    }
    const operator = await stage.visitor();
    await openConsole(operator, stage.url, '#/users');
    const search = operator.page.getByLabel('Id or e-mail address');
    await search.fill('nobody@console.example');
    await search.press('Enter');
    await operator.isTold('There is no account with this id or e-mail address.');
    await search.fill(email);
    await search.press('Enter');
    await operator.isTold('Signed in on 3 devices.');
    await operator.page.getByRole('heading', { name: '<b>Ada</b>' }).waitFor();
    expect(operator.page.url()).not.toContain('ada');
    await operator.assertAccessible('user');
    await operator.button(/^Sign out Phone <img src=x>/).click();
    await operator.confirm('Sign out');
    await operator.isTold('Signed in on 2 devices.');
    await operator.button('Sign out everywhere').click();
    await operator.confirm('Sign out everywhere');
    await operator.isTold('Signed in nowhere.');
    // Tokens may be out that no device of the list stands for.
    expect(await operator.button('Sign out everywhere').count()).toBe(1);
    await api.ok('POST', '/api/v1/auth/login', { body });
    await operator.page.evaluate((id) => (location.hash = `#/users/${id}`), user.id);
    await operator.isTold('Signed in on 1 device.');
  }, 30_000);

  it('of a foreign issuer is signed out everywhere by the id that is typed', async () => {
    const operator = await stage.visitor();
    await openConsole(operator, stage.url, '#/users/auth0%7C42');
    await operator.isTold('There is no account with this id or e-mail address.');
    expect(await operator.page.getByLabel('Id or e-mail address').inputValue()).toBe('auth0|42');
    await operator.page.getByRole('heading', { name: 'No account here' }).waitFor();
    await operator.isTold('auth0|42');
    await operator.assertAccessible('a user of a foreign issuer');
    await operator.button('Sign out everywhere').click();
    await operator.confirm('Sign out everywhere');
    await operator.isTold('The user is signed out everywhere.');
    expect(await focused(operator)).toBe('No account here');
  }, 30_000);
});

async function tabTo(operator: Visitor, what: string, key = 'Tab'): Promise<void> {
  const passed: string[] = [];
  while ((await focused(operator)) !== what) {
    if (passed.length > 30) throw new Error(`${key} never came to "${what}", but to ${passed.join(', ')}`);
    await operator.page.keyboard.press(key);
    passed.push(await focused(operator));
  }
}
