import { describe, expect, it } from '@jest/globals';
import { copyDataDirectory } from './support/data-directory.ts';
import { PLAIN_HOST, stagePages } from './support/page-stage.ts';
import type { Visitor } from './support/page-stage.ts';
import { spawnServer } from './support/spawned-server.ts';

const stage = stagePages();

async function paired(): Promise<{ ada: Visitor; bob: Visitor; code: string }> {
  const [ada, bob] = [await stage.visitor(), await stage.visitor()];
  const code = await ada.start(stage.url, 'Ada');
  await bob.join(stage.url, code, 'Bob');
  await ada
    .person('Bob')
    .getByText(/online/)
    .waitFor();
  await bob
    .person('Ada')
    .getByText(/online/)
    .waitFor();
  return { ada, bob, code };
}

describe('the way into a session', () => {
  it('is the code in any spelling, and a reload keeps seat and name', async () => {
    const [ada, bob] = [await stage.visitor(), await stage.visitor()];
    const code = await ada.start(stage.url, 'Ada');
    await bob.join(stage.url, ` ${code.toLowerCase().replace('-', ' ')} `, 'Bob');
    await ada
      .person('Bob')
      .getByText(/online/)
      .waitFor();
    await bob.page.reload();
    await bob
      .person('Ada')
      .getByText(/online/)
      .waitFor();
    await bob.button('Leave').click();
    await bob.confirm('Leave it');
    await bob.button('Start a session').waitFor();
    expect(await bob.page.getByLabel('Your name').inputValue()).toBe('Bob');
  }, 30_000);

  it('is the link, pasted or opened, and the address keeps nothing of it', async () => {
    const [ada, bob] = [await stage.visitor(), await stage.visitor()];
    await ada.start(stage.url, 'Ada');
    await bob.join(stage.url, await ada.link(), 'Bob');
    await ada.person('Bob').waitFor();

    const [eve, joe] = [await stage.visitor(), await stage.visitor()];
    await eve.start(stage.url, 'Eve');
    await joe.page.goto(await eve.link());
    await eve.person('Somebody').waitFor();
    expect(await joe.page.evaluate(() => location.href)).toBe(`${stage.url}/`);
    await joe.page.goBack();
    expect(joe.page.url()).toBe('about:blank');
  }, 30_000);

  it('of an encrypted session is its link, and not the code alone', async () => {
    const [ada, bob, eve] = [await stage.visitor(), await stage.visitor(), await stage.visitor()];
    const code = await ada.start(stage.url, 'Ada', { isEncrypted: true });
    await ada.isTold(/the code alone is not enough/);
    await eve.join(stage.url, code, 'Eve');
    await eve.page
      .getByRole('alert')
      .getByText(/open the link of the other device/i)
      .waitFor();
    await bob.page.goto(await ada.link());
    await ada
      .person('Somebody')
      .getByText(/online/)
      .waitFor();
    await bob.isTold('End-to-end encrypted');
    expect(await bob.page.evaluate(() => location.href)).toBe(`${stage.url}/`);
  }, 30_000);

  it('says in words why a code is none', async () => {
    const bob = await stage.visitor();
    await bob.join(stage.url, '', 'Bob');
    await bob.isTold(/type the code/i);
    await bob.type('BCD');
    await bob.isTold(/at least six/i);
    await bob.type('AEI-OU1');
    await bob.isTold(/no code contains/i);
    await bob.type('https://elsewhere.example/#BCD-234');
    await bob.isTold(/another address, elsewhere\.example/i);
    await bob.type('https://elsewhere.example/menu');
    await bob.isTold(/no invitation/i);
    await bob.type('ZZZ-ZZZ');
    await bob.isTold(/no session with this code/i);
  }, 30_000);

  it('over plain http says that there is neither encryption nor camera, and pairs all the same', async () => {
    const url = `http://${PLAIN_HOST}:${stage.server.port}`;
    const [ada, bob] = [await stage.visitor(), await stage.visitor()];
    await ada.page.goto(url);
    await ada.isTold(/encryption is not available here/i);
    await ada.isTold(/over plain http browsers give no page the camera/i);
    const code = await ada.start(url, 'Ada');
    await ada.button('Copy link').click();
    await ada.isTold(/copy it by hand/i);
    await bob.join(url, code, 'Bob');
    await ada
      .person('Bob')
      .getByText(/online/)
      .waitFor();
    await bob.isTold(/not encrypted/i);
  }, 30_000);

  it('can be given up while the server does not answer', async () => {
    const ada = await stage.visitor();
    await ada.page.goto(stage.url);
    stage.server.signal('SIGSTOP');
    try {
      await ada.button('Start a session').click();
      await ada.isTold('Starting a session');
      await ada.assertAccessible('opening');
      await ada.button('Cancel').click();
      await ada.button('Start a session').waitFor();
    } finally {
      stage.server.signal('SIGCONT');
    }
  }, 30_000);
});

describe('the host', () => {
  it('removes a guest, whose code is dead too, and invites with a new one', async () => {
    const { ada, bob, code } = await paired();
    await ada.button(/^Remove .*Bob/).click();
    await ada.confirm('Remove');
    await bob.isTold('The host removed you from the session.');
    await bob.type(code);
    await bob.isTold(/no session with this code/i);
    await ada.button('Get a new code').click();
    await expectOther(ada, code);
    await bob.type(await ada.code());
    await ada.person('Bob').waitFor();
  }, 30_000);

  it('locks, unlocks and renews the code', async () => {
    const [ada, bob] = [await stage.visitor(), await stage.visitor()];
    const code = await ada.start(stage.url, 'Ada');
    await ada.button('Lock the session').click();
    await ada.isTold(/locked: nobody can join/i);
    await bob.join(stage.url, code, 'Bob');
    await bob.isTold(/session is locked/i);
    await ada.button('Unlock the session').click();
    expect(await ada.code()).toBe(code);
    await ada.button('Get a new code').click();
    await ada.confirm('Get it');
    await expectOther(ada, code);
    await bob.type(code);
    await bob.isTold(/no session with this code/i);
  }, 30_000);

  it('ends the session for all, and a guest leaves by itself', async () => {
    const { ada, bob } = await paired();
    await bob.button('Leave').click();
    await bob.page.keyboard.press('Escape');
    await bob.person('Ada').waitFor();
    await ada.button('End for all').click();
    await ada.confirm('End it');
    for (const visitor of [ada, bob]) await visitor.isTold('The session was ended.');
    await bob.assertAccessible('closed');
    await bob.button('Back to the start').click();
    await bob.button('Start a session').waitFor();
    await bob.page.reload();
    await bob.button('Start a session').waitFor();
  }, 30_000);
});

describe('a seat', () => {
  it('is handed over by a link, after a question, and can be taken back', async () => {
    const { ada, bob } = await paired();
    await ada.button('Continue on another device').click();
    await ada.isTold(/can take your seat/i);
    await ada.button('Show the link').click();
    const link = await ada.page.getByLabel('Link to your seat').inputValue();
    await ada.assertAccessible('hand over');

    const tablet = await stage.visitor();
    await tablet.page.goto(link);
    await tablet.isTold(/hands a seat in a session over/i);
    expect(await tablet.page.evaluate(() => location.href)).toBe(`${stage.url}/`);
    await tablet.assertAccessible('take over');
    await tablet.button('Take the seat over').click();
    await tablet.person('Ada').getByText(/host/).waitFor();
    await ada.isTold(/goes on in another window or on another device/i);
    expect(await ada.page.getByRole('dialog').count()).toBe(0);
    expect(await focused(ada)).toBe('Session');
    await bob
      .person('Ada')
      .getByText(/online/)
      .waitFor();

    await ada.button('Continue here').click();
    await tablet.isTold(/goes on in another window or on another device/i);
    await ada.isTold('Connected.');
    await expectFocus(ada, 'message');
  }, 30_000);

  it('is not lost to a link that is opened in its tab', async () => {
    const ada = await stage.visitor();
    const code = await ada.start(stage.url, 'Ada');
    await ada.page.evaluate(() => (location.hash = '#BCD-234'));
    await ada.isTold(/you are in a session/i);
    expect(await ada.page.evaluate(() => location.href)).toBe(`${stage.url}/`);
    expect(await ada.code()).toBe(code);
    await ada.button('Leave').click();
    await ada.confirm('Leave it');
    await ada.button('Start a session').waitFor();
    expect(await ada.page.getByText(/you are in a session/i).count()).toBe(0);
  }, 30_000);

  it('that is gone is told in words', async () => {
    const ada = await stage.visitor();
    const seat = ['0190a000-0000-7000-8000-000000000001', '0190a000-0000-7000-8000-000000000002', 'x'.repeat(43), null];
    await ada.page.goto(`${stage.url}/#take:${Buffer.from(JSON.stringify(seat)).toString('base64url')}`);
    await ada.button('Take the seat over').click();
    await ada.isTold(/this seat is gone/i);
  }, 30_000);
});

describe('the page', () => {
  it('tells a screen reader who has come and gone, and why something is asked', async () => {
    const { ada, bob } = await paired();
    const heard = ada.page.locator('.unseen[role="log"]');
    await heard.getByText('Bob has joined.').waitFor();
    await ada.button(/^Remove .*Bob/).click();
    const question = ada.page.getByRole('dialog', { description: /the present code stops working too/i });
    await question.waitFor();
    await ada.page.keyboard.press('Escape');
    await bob.button('Leave').click();
    await bob.confirm('Leave it');
    await heard.getByText('Bob has left.').waitFor();
  }, 30_000);

  it('tells a restart from a lost connection, and claims of nobody to be there meanwhile', async () => {
    const data = await copyDataDirectory();
    const server = await spawnServer(data.dir);
    try {
      const [ada, bob] = [await stage.visitor(), await stage.visitor()];
      await bob.join(server.url, await ada.start(server.url, 'Ada'), 'Bob');
      await ada.person('Bob').getByText('guest, online').waitFor();
      server.signal('SIGTERM');
      await ada.isTold(/server is restarting/i);
      await ada.person('Bob').getByText('guest', { exact: true }).waitFor();
    } finally {
      if (server.isRunning()) await server.kill9();
      await data.remove();
    }
  }, 30_000);

  it('is walked by keyboard alone from the start to a pair', async () => {
    const [ada, bob] = [await stage.visitor(), await stage.visitor()];
    const code = await ada.start(stage.url, 'Ada');
    expect(await focused(ada)).toBe('Waiting for the other side');
    const { keyboard } = bob.page;
    await bob.page.goto(stage.url);
    await bob.button('Start a session').waitFor();
    await tabTo(bob, 'name');
    await keyboard.type('Bob');
    await tabTo(bob, 'code');
    await keyboard.type('BCD');
    await keyboard.press('Enter');
    await bob.isTold(/at least six/i);
    await keyboard.press('Control+A');
    await keyboard.type(code);
    await keyboard.press('Enter');
    await ada.person('Bob').waitFor();
    await bob.person('Ada').waitFor();
    await expectFocus(bob, 'message');
    await keyboard.type('Hello');
    await keyboard.press('Enter');
    await ada.page.getByRole('log', { name: 'Messages' }).getByText('Hello', { exact: true }).waitFor();
    await tabTo(bob, 'Leave', 'Shift+Tab');
    await keyboard.press('Enter');
    await bob.page.getByRole('dialog').waitFor();
    await keyboard.press('Escape');
    expect(await focused(bob)).toBe('Leave');
  }, 30_000);

  it('is without fault on a phone and a desktop, light and dark, on each screen', async () => {
    const [ada, bob] = [await stage.visitor(), await stage.visitor()];
    await ada.page.goto(stage.url);
    await ada.isTold(/scanning is not possible here/i);
    await ada.assertAccessible('start');
    await ada.type('BCD');
    await ada.assertAccessible('start with a fault');
    const name = '\u202e<img src=x onerror=alert(1)>\u2069\u2066';
    const code = await ada.start(stage.url, name);
    await ada.assertAccessible('invitation');
    await bob.join(stage.url, code, '\u{1f600}'.repeat(32));
    await ada.person('\u{1f600}').waitFor();
    await ada.assertAccessible('conversation');
    await ada.button(/^Remove/).click();
    await ada.assertAccessible('question');
    await ada.page.keyboard.press('Escape');
    await ada.page.setViewportSize({ width: 360, height: 740 });
    await ada.button('Manage the session').click();
    await ada.assertAccessible('unfolded');
    expect(await ada.page.locator('main img').count()).toBe(0);
  }, 60_000);
});

async function expectOther(visitor: Visitor, code: string): Promise<void> {
  await visitor.page.waitForFunction(
    (before) => ![before, ''].includes(document.querySelector('.code')?.textContent ?? ''),
    code,
  );
}

/** Id of what has the focus, or what it says. */
function focused(visitor: Visitor): Promise<string> {
  return visitor.page.evaluate(() => {
    const { activeElement } = document;
    return activeElement?.id !== '' && activeElement instanceof HTMLTextAreaElement
      ? activeElement.id
      : activeElement instanceof HTMLInputElement
        ? activeElement.id
        : (activeElement?.textContent ?? '');
  });
}

async function expectFocus(visitor: Visitor, id: string): Promise<void> {
  await visitor.page.waitForFunction((wanted) => document.activeElement?.id === wanted, id);
}

async function tabTo(visitor: Visitor, what: string, key = 'Tab'): Promise<void> {
  const passed: string[] = [];
  while ((await focused(visitor)) !== what) {
    if (passed.length > 30) throw new Error(`${key} never came to "${what}", but to ${passed.join(', ')}`);
    await visitor.page.keyboard.press(key);
    passed.push(await focused(visitor));
  }
}
