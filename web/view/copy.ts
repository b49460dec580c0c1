import { TEXTS } from '../texts.ts';
import { setText } from './dom.ts';

/** Copies what `source` says. `answer` is a live region that tells what came of it. */
export async function copyFrom(source: HTMLElement, answer: HTMLElement): Promise<void> {
  // Browsers have a clipboard in secure contexts alone; the types do not say so.
  const clipboard = navigator.clipboard as Clipboard | undefined;
  // So that the same words are told again for another copy.
  setText(answer, '');
  try {
    if (clipboard === undefined) throw new Error('no clipboard in this context');
    await clipboard.writeText(source instanceof HTMLInputElement ? source.value : source.innerText);
    setText(answer, TEXTS.invite.copied);
  } catch {
    // Missing or forbidden: the user can still copy what is selected.
    select(source);
    setText(answer, TEXTS.invite.copyByHand);
  }
}

function select(source: HTMLElement): void {
  if (source instanceof HTMLInputElement) {
    source.focus();
    source.select();
    return;
  }
  getSelection()?.selectAllChildren(source);
}
