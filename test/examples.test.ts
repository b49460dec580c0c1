import { request } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import jsQR from 'jsqr';
import { chromium, devices } from 'playwright-core';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { CHROMIUM_ARGUMENTS } from './support/chromium-arguments.ts';
import { copyDataDirectory } from './support/data-directory.ts';
import { startExample } from './support/example-process.ts';
import type { RunningExample } from './support/example-process.ts';
import { PagePool } from './support/page-pool.ts';
import { startServer } from './support/server.ts';
import { spawnServer } from './support/spawned-server.ts';
import type { SpawnedServer } from './support/spawned-server.ts';

const DEADLINE_MS = 20_000;
const PHONE = devices['Pixel 5'];

let browser: Browser;
let data: Awaited<ReturnType<typeof copyDataDirectory>>;
let server: SpawnedServer;
let screens: PagePool;
let phones: PagePool;
let contexts: BrowserContext[] = [];
const faults: string[] = [];

beforeAll(async () => {
  data = await copyDataDirectory();
  [server, browser] = await Promise.all([
    // The examples are served from ports that are not known yet.
    spawnServer(data.dir, { CORS_ORIGINS: '*' }),
    chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: [...CHROMIUM_ARGUMENTS, '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
    }),
  ]);
  screens = new PagePool(browser, {});
  phones = new PagePool(browser, PHONE);
}, 60_000);
afterAll(async () => {
  await browser.close();
  await server.kill9();
  await data.remove();
});
afterEach(async () => {
  await Promise.all([screens.takeBack(), phones.takeBack(), ...contexts.map((context) => context.close())]);
  contexts = [];
  expect(faults.splice(0)).toEqual([]);
});

/** With options, in a browser profile that is no other test's. */
async function openPage(options?: BrowserContextOptions): Promise<Page> {
  if (options === undefined) return watched(await screens.take());
  const context = await browser.newContext(options);
  contexts.push(context);
  return watched(await context.newPage());
}

async function openPhone(): Promise<Page> {
  return watched(await phones.take());
}

function watched(page: Page): Page {
  page.setDefaultTimeout(DEADLINE_MS);
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) faults.push(message.text());
  });
  return page;
}

/** The server ends without a goodbye; `meanwhile` happens before it is there again. */
async function withoutServer(meanwhile: () => Promise<void>): Promise<void> {
  const { port } = server;
  await server.kill9();
  await meanwhile();
  server = await spawnServer(data.dir, { CORS_ORIGINS: '*', PORT: String(port) });
}

async function expectNoSideways(page: Page): Promise<void> {
  const { content, window } = await page.evaluate(() => ({
    content: document.documentElement.scrollWidth,
    window: document.documentElement.clientWidth,
  }));
  expect(content).toBeLessThanOrEqual(window);
}

describe('the call', () => {
  let example: RunningExample;
  beforeAll(async () => {
    example = await startExample('webrtc-call', { tandemUrl: server.url });
  }, 60_000);
  afterAll(async () => {
    expect(await example.stop()).toEqual({ code: 0, leftOver: [] });
  });

  /** Pictures of the other side arrive, and go on arriving. */
  async function sees(page: Page): Promise<void> {
    await page.waitForFunction(() => (document.querySelector<HTMLVideoElement>('#other')?.videoWidth ?? 0) > 0);
    const framesOf = () =>
      page.evaluate(
        () => document.querySelector<HTMLVideoElement>('#other')?.getVideoPlaybackQuality().totalVideoFrames,
      );
    const before = (await framesOf()) ?? 0;
    await page.waitForFunction(
      (frames) =>
        (document.querySelector<HTMLVideoElement>('#other')?.getVideoPlaybackQuality().totalVideoFrames ?? 0) > frames,
      before + 3,
    );
  }

  async function startCall(page: Page): Promise<string> {
    await page.goto(example.url);
    await page.getByRole('button', { name: 'Start a call' }).click();
    await page.getByText(/^[2-9B-Z]{3}-[2-9B-Z]{3}$/).waitFor();
    return page.getByLabel('Link', { exact: true }).inputValue();
  }

  async function join(page: Page, link: string): Promise<void> {
    await page.goto(link);
    await page.getByText('You are invited to a call').waitFor();
    await page.getByRole('button', { name: 'Join' }).click();
  }

  it('comes about by a link, survives a reload of either side and the loss of the server, and is hung up', async () => {
    const host = await openPage();
    const guest = await openPage();
    await join(guest, await startCall(host));
    await Promise.all([sees(host), sees(guest)]);

    await guest.reload();
    await Promise.all([sees(guest), sees(host)]);
    await host.reload();
    await Promise.all([sees(host), sees(guest)]);

    await withoutServer(async () => {
      await host.getByText('The connection to the server is lost').waitFor();
      await Promise.all([sees(host), sees(guest)]);
    });
    await host.getByText('The connection to the server is lost').waitFor({ state: 'hidden' });
    await guest.reload();
    await Promise.all([sees(guest), sees(host)]);

    await guest.getByRole('button', { name: 'Mute' }).click();
    await host.getByText('The other side is muted.').waitFor();
    await guest.getByRole('button', { name: 'Hang up' }).click();
    await host.getByText('The other side has hung up.').waitFor();
    await Promise.all([host, guest].map((page) => page.getByRole('button', { name: 'Start a call' }).waitFor()));
  }, 90_000);

  it('comes about by a typed code when signals are lost, and without a camera', async () => {
    const host = await openPage({ viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
    const guest = await openPage({ viewport: { width: 360, height: 740 } });
    for (const page of [host, guest]) await page.addInitScript(loseSignals);
    // What a page finds that came over plain http.
    await guest.addInitScript(() => {
      Object.defineProperty(navigator, 'mediaDevices', { value: undefined });
    });
    await startCall(host);
    const code = await host.locator('#own-code').innerText();
    await guest.goto(example.url);
    await guest.getByLabel('Code of somebody’s call').fill(code.toLowerCase().replace('-', ' '));
    await guest.keyboard.press('Enter');
    await guest.getByText('the browser gives it no camera').waitFor();
    await host.getByText('The other side has no camera.').waitFor();
    await Promise.all([sees(host), sees(guest)]);
    expect(await guest.getByRole('button', { name: 'Mute' }).isDisabled()).toBe(true);
    for (const page of [host, guest]) {
      // An offer on one side, its answer on the other.
      expect(await page.evaluate(() => (window as { lost?: string[] }).lost)).toContain('description');
      await expectNoSideways(page);
    }
  }, 60_000);

  it('says in words that a code is wrong', async () => {
    const guest = await openPage();
    await guest.goto(example.url);
    for (const [code, words] of [
      ['ZZZ-ZZZ', /no call with this code/],
      ['AEI-OU1', /no code/],
    ] as const) {
      await guest.getByLabel('Code of somebody’s call').fill(code);
      await guest.getByRole('button', { name: 'Join' }).click();
      await guest.getByText(words).waitFor();
    }
  }, 60_000);
});

/** In the page: the first signal of each type never leaves it. */
function loseSignals(): void {
  const lost: string[] = [];
  Object.assign(window, { lost });
  const sending = Object.getOwnPropertyDescriptor(WebSocket.prototype, 'send')
    ?.value as typeof WebSocket.prototype.send;
  WebSocket.prototype.send = function (this: WebSocket, packet: string) {
    const [, type] = /"signal:send",\{"type":"(\w+)"/.exec(packet) ?? [];
    if (type === undefined || lost.includes(type)) sending.call(this, packet);
    else lost.push(type);
  };
}

describe('the remote control', () => {
  let example: RunningExample;
  beforeAll(async () => {
    example = await startExample('remote-control', { tandemUrl: server.url });
  }, 60_000);
  afterAll(async () => {
    expect(await example.stop()).toEqual({ code: 0, leftOver: [] });
  });

  async function startScreen(
    options?: BrowserContextOptions,
    url = example.url,
  ): Promise<{ screen: Page; link: string }> {
    const screen = await openPage(options);
    await screen.goto(url);
    const link = screen.getByRole('region', { name: 'Join' }).getByRole('link');
    await link.waitFor();
    return { screen, link: await link.innerText() };
  }

  const shows = (screen: Page, slide: number) => screen.getByRole('region', { name: `Slide ${slide}` }).waitFor();
  const press = (phone: Page, name: string) => phone.getByRole('button', { name }).click();

  it('moves the slides in order and the pointer, and loses nothing while screen or phone are reloaded', async () => {
    const { screen, link } = await startScreen();
    const phone = await openPhone();
    await phone.goto(link);
    await screen.getByText('Phone 1: connected').waitFor();
    await phone.getByText('Slide 1 of 5').waitFor();
    await press(phone, 'Next');
    await press(phone, 'Next');
    await press(phone, 'Previous');
    await press(phone, 'Next');
    await shows(screen, 3);
    await phone.getByText('Slide 3 of 5').waitFor();

    await phone.locator('#pad').focus();
    await phone.keyboard.press('ArrowRight');
    await screen.locator('.pointer', { hasText: 'Phone 1' }).waitFor();

    // Pressed while nobody is there to see it.
    const reload = screen.goto('about:blank');
    await press(phone, 'Next');
    await press(phone, 'Previous');
    await press(phone, 'Previous');
    await reload;
    await screen.goBack();
    await shows(screen, 2);
    await screen.reload();
    await shows(screen, 2);

    await phone.reload();
    await phone.getByText('Slide 2 of 5').waitFor();
    await phone.getByLabel('Slide', { exact: true }).fill('5');
    await phone.keyboard.press('Enter');
    await shows(screen, 5);
    await press(phone, 'Leave');
    await screen.getByText('Phone 1').waitFor({ state: 'detached' });
  }, 60_000);

  it('carries out what was pressed while the server was away for a moment, once and in order', async () => {
    const { screen, link } = await startScreen();
    const phone = await openPhone();
    await phone.goto(link);
    await phone.getByText('Slide 1 of 5').waitFor();
    await withoutServer(async () => {
      await phone.getByText('The connection is lost').waitFor();
      for (const name of ['Next', 'Next', 'Previous', 'Next']) await press(phone, name);
      await phone.getByText('On its way: Next, Next, Previous, Next').waitFor();
    });
    await shows(screen, 3);
    await phone.getByText('Slide 3 of 5').waitFor();
    await phone.getByText('On its way').waitFor({ state: 'detached' });
  }, 60_000);

  it('gives up on the phone what the server could not be told in time', async () => {
    const { screen, link } = await startScreen();
    const phone = await openPage(PHONE);
    await phone.clock.install();
    await phone.goto(link);
    await phone.getByText('Slide 1 of 5').waitFor();
    await withoutServer(async () => {
      await phone.getByText('The connection is lost').waitFor();
      await press(phone, 'Next');
      await phone.getByText('On its way: Next').waitFor();
      await phone.clock.fastForward(11_000);
      await phone.getByText('“Next” was given up').waitFor();
    });
    await screen.getByText('Phone 1: connected').waitFor();
    await phone.getByLabel('Slide', { exact: true }).fill('4');
    await press(phone, 'Go');
    await shows(screen, 4);
  }, 60_000);

  it('leaves out on the screen what was sent too long before it came back, and tells both', async () => {
    let lateMs = 0;
    const ownServer = await startServer({ CORS_ORIGINS: '*' }, { now: () => Date.now() + lateMs });
    const ownExample = await startExample('remote-control', { tandemUrl: ownServer.url });
    try {
      const { screen, link } = await startScreen(undefined, ownExample.url);
      const phone = await openPhone();
      await phone.goto(link);
      await phone.getByText('Slide 1 of 5').waitFor();
      await screen.goto('about:blank');
      await phone.getByText('The screen is away').waitFor();
      await press(phone, 'Go');
      await phone.getByText('On its way').waitFor({ state: 'detached' });
      lateMs = 6000;
      await press(phone, 'Next');
      await phone.getByText('On its way').waitFor({ state: 'detached' });
      lateMs = 12_000;
      await screen.goBack();
      await screen.getByText('“Go to slide 1” of Phone 1 came more than 10 seconds late').waitFor();
      await phone.getByText('left “Go to slide 1” out').waitFor();
      await shows(screen, 2);
    } finally {
      await Promise.all([screens.takeBack(), phones.takeBack()]);
      await ownExample.stop();
      await ownServer.stop();
    }
  }, 60_000);

  it('has up to four phones, by a typed code too, and tells the fifth', async () => {
    const { screen, link } = await startScreen({ viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
    const code = await screen.locator('#code').innerText();
    const hands = await Promise.all([1, 2, 3, 4, 5].map(openPhone));
    for (const [index, phone] of hands.slice(0, 4).entries()) {
      await phone.goto(`${example.url}/phone/`);
      await phone.getByLabel('Code on the screen').fill(code);
      await phone.getByLabel('Your name, if you like').fill(`Person ${index}`);
      await phone.keyboard.press('Enter');
      await screen.getByText(`Person ${index}: connected`).waitFor();
      await expectNoSideways(phone);
    }
    await expectNoSideways(screen);
    await hands[4]?.goto(link);
    await hands[4]?.getByText('Four phones control this screen already.').waitFor();
  }, 60_000);

  it('shows the link as a QR code that phones can read', async () => {
    const { screen, link } = await startScreen({ colorScheme: 'dark' });
    const picture = await screen.locator('#qr').screenshot();
    const { pixels, width, height } = await screen.evaluate(async (base64) => {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      const context = canvas.getContext('2d');
      context?.drawImage(bitmap, 0, 0);
      const image = context?.getImageData(0, 0, bitmap.width, bitmap.height);
      return { pixels: [...(image?.data ?? [])], width: bitmap.width, height: bitmap.height };
    }, picture.toString('base64'));
    expect(jsQR.default(new Uint8ClampedArray(pixels), width, height)?.data).toBe(link);
  }, 60_000);
});

describe('the program that runs an example', () => {
  it('starts a server of its own, serves the example alone, and leaves nothing behind', async () => {
    const example = await startExample('webrtc-call');
    try {
      const { hostname, port } = new URL(example.url);
      /** As it stands: `fetch` and browsers would resolve dots themselves. */
      const statusOf = (path: string, method = 'GET') =>
        new Promise<number | undefined>((resolve, reject) => {
          request({ hostname, port, path, method }, (answer) => {
            answer.resume();
            resolve(answer.statusCode);
          })
            .on('error', reject)
            .end();
        });
      expect(await statusOf('/call.js')).toBe(200);
      const outside = ['/../run.js', '/..%2frun.js', '/%2e%2e/%2e%2e/package.json', '/..%5crun.js', '//etc/passwd'];
      const broken = ['/call.js%00.html', '/%E0%A4%A', '/tandem.d.ts', '/nothing.js', '/../webrtc-call-other/x.js'];
      for (const path of [...outside, ...broken]) expect([path, await statusOf(path)]).toEqual([path, 404]);
      expect(await statusOf('/', 'POST')).toBe(405);

      const page = await openPage();
      await page.goto(example.url);
      await page.getByRole('button', { name: 'Start a call' }).click();
      await page.getByText(/^[2-9B-Z]{3}-[2-9B-Z]{3}$/).waitFor();
    } finally {
      expect(await example.stop()).toEqual({ code: 0, leftOver: [] });
    }
  }, 60_000);

  it('says what is wrong when it cannot start', async () => {
    await expect(startExample('webrtc-call', { tandemUrl: 'http://127.0.0.1:9' })).rejects.toThrow(/does not answer/);
    await expect(startExample('no-such-example')).rejects.toThrow(/Usage: npm run example/);
    await expect(startExample('webrtc-call', { args: ['--port=99999'] })).rejects.toThrow(/from 0 to 65535/);
  }, 60_000);
});
