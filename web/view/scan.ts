import { readScanned } from '../pairing-text.ts';
import type { PairingText } from '../pairing-text.ts';
import { CameraError, scanWith } from '../scanner.ts';
import { cameraFaultText, TEXTS, unreadableText } from '../texts.ts';
import { openDialog } from './dialog.ts';
import { button, element, setText, show } from './dom.ts';

const words = TEXTS.scan;

/** Looks for an invitation in the picture of the camera, until one is found or the dialog is closed. */
export function scan(found: (text: Exclude<PairingText, { kind: 'unreadable' }>) => void): void {
  const stop = new AbortController();
  const video = element('video', { class: 'camera', attributes: { playsinline: '', 'aria-label': words.picture } });
  video.muted = true;
  const hint = element('p', { text: words.asking, attributes: { role: 'status' } });
  const cancel = button(TEXTS.cancel, 'secondary', () => dialog.close());
  show(video, false);
  const dialog = openDialog(TEXTS.start.scan, video, hint, element('div', { class: 'row' }, cancel));
  // A camera that nobody looks at is off.
  const onHidden = (): void => {
    if (document.hidden) dialog.close();
  };
  document.addEventListener('visibilitychange', onHidden);
  dialog.addEventListener('close', () => {
    document.removeEventListener('visibilitychange', onHidden);
    stop.abort();
  });

  const take = (text: string): boolean => {
    const read = readScanned(text, location.origin);
    if (read.kind === 'unreadable') {
      setText(hint, unreadableText(read.fault));
      return false;
    }
    dialog.close();
    found(read);
    return true;
  };
  const started = (): void => {
    show(video, true);
    setText(hint, words.looking);
  };
  scanWith(video, stop.signal, { started, take }).catch((error: unknown) => {
    show(video, false);
    setText(hint, cameraFaultText(error instanceof CameraError ? error.fault : 'failed'));
  });
}
