export interface ElementOptions {
  class?: string;
  id?: string;
  /** Always a text node: nothing that people or servers send is ever read as markup. */
  text?: string;
  attributes?: Readonly<Record<string, string>>;
}

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  options: ElementOptions = {},
  ...children: Node[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (options.class !== undefined) made.className = options.class;
  if (options.id !== undefined) made.id = options.id;
  if (options.text !== undefined) made.textContent = options.text;
  for (const [name, value] of Object.entries(options.attributes ?? {})) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function button(text: string, kind: 'primary' | 'secondary' | 'quiet', onClick: () => void): HTMLButtonElement {
  const made = element('button', { class: kind, text, attributes: { type: 'button' } });
  made.addEventListener('click', onClick);
  return made;
}

/** Sets the text only when it differs: a live region would announce the same words again. */
export function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function show(node: HTMLElement, isShown: boolean): void {
  if (node.hidden === isShown) node.hidden = !isShown;
}
