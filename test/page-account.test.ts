import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { Api, PASSWORD } from './support/api.ts';
import { copyDataDirectory } from './support/data-directory.ts';
import { stagePages } from './support/page-stage.ts';
import type { Visitor } from './support/page-stage.ts';
import { spawnServer } from './support/spawned-server.ts';

const stage = stagePages();
const HOSTILE = '<img src=x onerror=document.title=1>\u202e';
const address = (): string => `${randomUUID()}@example.com`;

function account(visitor: Visitor) {
  return visitor.page.getByRole('button', { name: /^Account of/ });
}

async function choose(visitor: Visitor, item: string): Promise<void> {
  await account(visitor).click();
  await visitor.button(item).click();
}

async function fillEntry(visitor: Visitor, email: string, password: string): Promise<void> {
  const dialog = visitor.page.getByRole('dialog');
  await dialog.getByLabel('E-mail address').fill(email);
  await dialog.getByLabel('Password', { exact: true }).fill(password);
  await visitor.page.keyboard.press('Enter');
}

async function signIn(visitor: Visitor, email: string): Promise<void> {
  await visitor.button('Sign in').click();
  await fillEntry(visitor, email, PASSWORD);
  await account(visitor).waitFor();
}

describe('an account on the page', () => {
  it('is made, keeps its sessions and survives a reload, until it signs out', async () => {
    const ada = await stage.visitor();
    const email = address();
    await ada.page.goto(stage.url);
    await ada.button('Sign in').click();
    await ada.assertAccessible('sign in');
    await fillEntry(ada, email, 'nobody knows it');
    await ada.isTold('The e-mail address or the password is wrong.');
    await ada.page.getByRole('dialog').getByRole('button', { name: 'Make an account' }).click();
    expect(await ada.page.getByLabel('E-mail address').inputValue()).toBe(email);
    await fillEntry(ada, email, 'password1');
    await ada.isTold(/choose another password/i);
    await ada.page.getByLabel('Name (optional)', { exact: true }).last().fill(HOSTILE);
    await fillEntry(ada, email, PASSWORD);
    await account(ada).waitFor();
    expect(await ada.page.getByLabel('Your name').inputValue()).toBe(HOSTILE);

    await ada.start(stage.url, 'Ada');
    await ada.page.reload();
    await ada.code();
    const bob = await stage.visitor();
    await bob.join(stage.url, await ada.code(), HOSTILE);
    await ada.page.getByRole('textbox', { name: 'Message' }).fill('something to remember');
    await ada.page.keyboard.press('Enter');
    await bob.page.getByText('something to remember').first().waitFor();
    await choose(ada, 'My sessions');
    await ada.isTold('You are in it.');
    await ada.assertAccessible('my sessions, seated');
    await ada.page.keyboard.press('Escape');
    await ada.button('End for all').click();
    await ada.confirm('End it');
    await ada.button('Back to the start').click();

    await choose(ada, 'My sessions');
    await ada.button(/^Read the session/).click();
    await ada.page.getByRole('dialog').getByText('something to remember').waitFor();
    await ada.assertAccessible('history');
    await ada.page.keyboard.press('Escape');
    await account(ada).click();
    await ada.assertAccessible('account');
    await ada.button('Sign out').click();
    await ada.button('Sign in').waitFor();
    await ada.page.reload();
    await ada.button('Sign in').waitFor();
    expect(await ada.page.title()).toBe('Tandem');
  }, 60_000);

  it('finds a seat whose tab was closed, and changes its password', async () => {
    const email = address();
    await new Api(stage.url).register(email);
    const ada = await stage.visitor();
    await ada.page.goto(stage.url);
    await signIn(ada, email);
    const code = await ada.start(stage.url, 'Ada');
    const again = await ada.page.context().newPage();
    await ada.page.close();
    await again.goto(stage.url);
    await again.getByRole('button', { name: /^Account of/ }).click();
    await again.getByRole('button', { name: 'My sessions', exact: true }).click();
    await again.getByRole('button', { name: /^Continue the session/ }).click();
    await again.getByText(code).first().waitFor();

    await again.getByRole('button', { name: /^Account of/ }).click();
    await again.getByRole('button', { name: 'Change the password', exact: true }).click();
    await again.getByLabel('Present password').fill('not this one');
    await again.getByLabel('New password').fill('a better one than before');
    await again.keyboard.press('Enter');
    await again.getByText('The present password is wrong.').waitFor();
    await again.getByLabel('Present password').fill(PASSWORD);
    await again.keyboard.press('Enter');
    await again.getByText(/the password is changed/i).waitFor();
  }, 60_000);

  it('that is signed out from another device says so, and takes its seat back after a sign-in', async () => {
    const email = address();
    await new Api(stage.url).register(email);
    const [ada, phone] = [await stage.visitor(), await stage.visitor()];
    for (const visitor of [ada, phone]) {
      await visitor.page.goto(stage.url);
      await signIn(visitor, email);
    }
    const code = await ada.start(stage.url, 'Ada');
    await choose(phone, 'My devices');
    await phone.isTold(/this device/);
    await phone.assertAccessible('devices');
    await phone.button('Sign out everywhere').click();
    await phone.page.getByRole('dialog').last().getByRole('button', { name: 'Sign out everywhere' }).click();
    await phone.button('Sign in').waitFor();
    await ada.isTold(/your sign-in was ended, and your connection with it/i);
    await ada.isTold(/no longer signed in on this device/i);
    await ada.assertAccessible('revoked');
    await ada.button('Continue here').click();
    await fillEntry(ada, email, PASSWORD);
    await ada.isTold('Connected.');
    expect(await ada.code()).toBe(code);
  }, 60_000);

  it('is asked for by a server that lets nobody in without, and a wait is counted down', async () => {
    const data = await copyDataDirectory();
    const server = await spawnServer(data.dir, { AUTH_REQUIRED: 'true', RATE_LIMIT_AUTH_POINTS: '2' });
    try {
      const email = address();
      await new Api(server.url).register(email);
      const [ada, eve] = [await stage.visitor(), await stage.visitor()];
      await ada.page.goto(server.url);
      await ada.page.getByLabel('Your name').fill('Ada');
      await ada.button('Start a session').click();
      await ada.isTold(/lets nobody in without a sign-in/i);
      await fillEntry(ada, email, PASSWORD);
      await ada.code();
      await eve.page.goto(server.url);
      await eve.button('Sign in').click();
      await fillEntry(eve, email, 'not the right one');
      await eve.isTold(/too many attempts/i);
      await eve.isTold(/you can try again in 1\d minutes/i);
    } finally {
      if (server.isRunning()) await server.kill9();
      await data.remove();
    }
  }, 60_000);
});
