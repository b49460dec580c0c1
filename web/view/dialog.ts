import { element } from './dom.ts';

let count = 0;

/** A dialog that is open. Escape closes it, and then the focus returns to where it was: the browser sees to both. */
export function openDialog(heading: string, ...content: Node[]): HTMLDialogElement {
  count += 1;
  const title = element('h2', { id: `dialog-${count}`, text: heading });
  const dialog = element('dialog', { attributes: { 'aria-labelledby': title.id } }, title, ...content);
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** What they were about is gone. */
export function closeDialogs(): void {
  for (const dialog of document.querySelectorAll('dialog')) dialog.close();
}
