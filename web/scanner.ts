/** Why this page cannot scan at all. */
export type ScannerFault = 'insecure' | 'no_camera' | 'no_scanner';
/** Why the camera gives no picture. */
export type CameraFault = 'denied' | 'missing' | 'busy' | 'failed';

/** Thrown by `scanWith`. */
export class CameraError extends Error {
  readonly fault: CameraFault;

  constructor(fault: CameraFault, cause: unknown) {
    super(`the camera gives no picture: ${fault}`, { cause });
    this.name = 'CameraError';
    this.fault = fault;
  }
}

/** What the page needs of the Shape Detection API, which the types of the language do not know. */
interface Detector {
  detect: (source: HTMLVideoElement) => Promise<readonly { readonly rawValue: string }[]>;
}
interface DetectorClass {
  new (options: { formats: string[] }): Detector;
  getSupportedFormats: () => Promise<readonly string[]>;
}

const FORMAT = 'qr_code';
/** A hand holds still for longer; more pictures only cost battery. */
const PAUSE_MS = 100;

/** Null where scanning is possible. */
export async function scannerFault(): Promise<ScannerFault | null> {
  if (!isSecureContext) return 'insecure';
  // Typed as always there, which holds in secure contexts alone, and not in every web view of an app.
  const devices = navigator.mediaDevices as Partial<MediaDevices> | undefined;
  if (devices?.getUserMedia === undefined) return 'no_camera';
  const formats = await detectorClass()
    ?.getSupportedFormats()
    .catch((): readonly string[] => []);
  return formats?.includes(FORMAT) === true ? null : 'no_scanner';
}

/**
 * Shows the camera in `video` and gives every text that a QR code in the picture says to `take`, until that says true
 * or `signal` aborts; then, and whatever happens, the camera is off. Rejects with CameraError.
 */
export async function scanWith(
  video: HTMLVideoElement,
  signal: AbortSignal,
  events: { started: () => void; take: (text: string) => boolean },
): Promise<void> {
  const stream = await openCamera();
  try {
    if (signal.aborted) return;
    await play(video, stream, signal);
    events.started();
    await readPictures(video, stream, signal, events.take);
  } catch (error) {
    if (!signal.aborted) throw error instanceof CameraError ? error : new CameraError('failed', error);
  } finally {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  }
}

async function openCamera(): Promise<MediaStream> {
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' }, audio: false });
  } catch (error) {
    throw new CameraError(cameraFault(error), error);
  }
}

async function play(video: HTMLVideoElement, stream: MediaStream, signal: AbortSignal): Promise<void> {
  video.srcObject = stream;
  await Promise.race([video.play(), aborted(signal)]);
}

async function readPictures(
  video: HTMLVideoElement,
  stream: MediaStream,
  signal: AbortSignal,
  take: (text: string) => boolean,
): Promise<void> {
  const detector = newDetector();
  const stopped = Promise.race([aborted(signal), ended(stream)]);
  for (;;) {
    if (!(await Promise.race([nextPicture(video), stopped]))) return;
    const found = await detector.detect(video);
    if (signal.aborted) return;
    if (found.some(({ rawValue }) => take(rawValue))) return;
    await Promise.race([new Promise((resolve) => setTimeout(resolve, PAUSE_MS)), aborted(signal)]);
  }
}

/** True when there is a picture that was not looked at. */
function nextPicture(video: HTMLVideoElement): Promise<true> {
  return new Promise((resolve) => {
    // Firefox has it since 132 only.
    if ('requestVideoFrameCallback' in video) video.requestVideoFrameCallback(() => resolve(true));
    else requestAnimationFrame(() => resolve(true));
  });
}

/** Rejects when the camera is taken away: pulled out, or forbidden in the middle. */
function ended(stream: MediaStream): Promise<never> {
  return new Promise((_resolve, reject) => {
    for (const track of stream.getVideoTracks()) {
      track.addEventListener('ended', () => reject(new CameraError('failed', undefined)), { once: true });
    }
  });
}

function aborted(signal: AbortSignal): Promise<false> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(false);
    else signal.addEventListener('abort', () => resolve(false), { once: true });
  });
}

function newDetector(): Detector {
  const found = detectorClass();
  if (found === undefined) throw new Error('this browser has no scanner');
  return new found({ formats: [FORMAT] });
}

function detectorClass(): DetectorClass | undefined {
  return (globalThis as { BarcodeDetector?: DetectorClass }).BarcodeDetector;
}

function cameraFault(error: unknown): CameraFault {
  switch (error instanceof DOMException ? error.name : '') {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'denied';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'missing';
    case 'NotReadableError':
    case 'AbortError':
      return 'busy';
    default:
      return 'failed';
  }
}
