import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { create } from 'qrcode';
import { launchChromium, stagePages } from './support/page-stage.ts';
import type { Visitor } from './support/page-stage.ts';

const stage = stagePages();
const WIDTH = 640;
const HEIGHT = 480;

/** Runs with a visitor whose camera sees the QR code of `text`. */
async function withCamera(text: string, use: (visitor: Visitor) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(path.join(tmpdir(), 'tandem-camera-'));
  try {
    const film = path.join(directory, 'camera.y4m');
    await writeFile(film, filmOf(text));
    const browser = await launchChromium([
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      `--use-file-for-fake-video-capture=${film}`,
    ]);
    try {
      const visitor = await stage.visitorOf(browser);
      await visitor.page.addInitScript({ content: await detectorSource() });
      await visitor.page.addInitScript(watchCameras);
      await use(visitor);
    } finally {
      await browser.close();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

describe('scanning', () => {
  it('joins by the QR code that the other device shows, and the camera is off then', async () => {
    const ada = await stage.visitor();
    await ada.start(stage.url, 'Ada', { isEncrypted: true });
    await withCamera(await ada.link(), async (bob) => {
      await bob.page.goto(stage.url);
      await bob.button('Scan a code').click();
      await ada
        .person('Somebody')
        .getByText(/online/)
        .waitFor();
      await bob.isTold('End-to-end encrypted');
      expect(await liveCameras(bob)).toEqual([false]);
    });
  }, 30_000);

  it('tells of a foreign QR code, goes on, and the camera is off when it is called off', async () => {
    await withCamera('https://shop.example/lemonade', async (bob) => {
      await bob.page.goto(stage.url);
      await bob.button('Scan a code').click();
      await bob.isTold(/no invitation to a tandem session/i);
      expect(await liveCameras(bob)).toEqual([true]);
      await bob.assertAccessible('scanning');
      await bob.page.keyboard.press('Escape');
      await bob.page.waitForFunction(() => document.querySelector('dialog') === null);
      expect(await liveCameras(bob)).toEqual([false]);
      // Once more, and the tab goes out of sight.
      await bob.button('Scan a code').click();
      await bob.isTold(/no invitation to a tandem session/i);
      await bob.page.evaluate(() => {
        Object.defineProperty(document, 'hidden', { value: true, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      });
      await bob.page.waitForFunction(() => document.querySelector('dialog') === null);
      expect(await liveCameras(bob)).toEqual([false, false]);
    });
  }, 30_000);

  it('says in words when the camera is refused', async () => {
    const bob = await stage.visitor({ permissions: [] });
    await bob.page.addInitScript({ content: await detectorSource() });
    await bob.page.addInitScript(() => {
      const refuse = () => Promise.reject(new DOMException('Permission denied', 'NotAllowedError'));
      navigator.mediaDevices.getUserMedia = refuse;
    });
    await bob.page.goto(stage.url);
    await bob.button('Scan a code').click();
    await bob.isTold(/may not use the camera/i);
    await bob.assertAccessible('scanning refused');
    await bob.button('Cancel').click();
    expect(await bob.page.getByRole('dialog').count()).toBe(0);
  }, 30_000);

  it('says in words when the browser has no scanner', async () => {
    const bob = await stage.visitor();
    await bob.page.goto(stage.url);
    await bob.isTold(/this browser has no scanner for QR codes/i);
    expect(await bob.button('Scan a code').isVisible()).toBe(false);
  }, 30_000);
});

/** Chromium on Linux has no BarcodeDetector: one by the standard's interface that reads the real pictures. */
async function detectorSource(): Promise<string> {
  const jsqr = await readFile(createRequire(import.meta.url).resolve('jsqr'), 'utf8');
  return `${jsqr}
    globalThis.BarcodeDetector = class BarcodeDetector {
      static async getSupportedFormats() { return ['qr_code']; }
      async detect(video) {
        const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
        const context = canvas.getContext('2d');
        context.drawImage(video, 0, 0);
        const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
        const found = jsQR(data, width, height);
        return found === null ? [] : [{ rawValue: found.data, format: 'qr_code' }];
      }
    };`;
}

/** Remembers every camera that the page opens. */
function watchCameras(): void {
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  const tracks: MediaStreamTrack[] = [];
  Object.assign(globalThis, { tracks });
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const stream = await open(constraints);
    tracks.push(...stream.getTracks());
    return stream;
  };
}

function liveCameras({ page }: Visitor): Promise<boolean[]> {
  return page.evaluate(() => {
    const { tracks } = globalThis as unknown as { tracks: MediaStreamTrack[] };
    return tracks.map(({ readyState }) => readyState === 'live');
  });
}

/** A film of one picture (YUV4MPEG2), which Chromium shows again and again. */
function filmOf(text: string): Buffer {
  const { modules } = create(text, { errorCorrectionLevel: 'M' });
  const scale = Math.floor((HEIGHT - 40) / (modules.size + 8));
  const [left, top] = [WIDTH, HEIGHT].map((length) => Math.floor((length - modules.size * scale) / 2)) as [
    number,
    number,
  ];
  const luma = Buffer.alloc(WIDTH * HEIGHT, 235);
  for (let row = 0; row < modules.size * scale; row++) {
    for (let column = 0; column < modules.size * scale; column++) {
      if (modules.get(Math.floor(row / scale), Math.floor(column / scale)) === 0) continue;
      luma[(top + row) * WIDTH + left + column] = 16;
    }
  }
  const chroma = Buffer.alloc((WIDTH * HEIGHT) / 2, 128);
  const frame = Buffer.concat([Buffer.from('FRAME\n'), luma, chroma]);
  return Buffer.concat([Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F10:1 Ip A1:1 C420jpeg\n`), frame, frame]);
}
