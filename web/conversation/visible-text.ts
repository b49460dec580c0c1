/** C0 and C1 controls, and the marks of annotations. */
const CONTROLS = /[\p{Cc}\ufff9-\ufffb]/gu;
/** Overrides turn letters around that have a direction of their own: nobody writes with them, but file names are faked. */
const OVERRIDES = /[\u202d\u202e]/gu;
/** Everything that acts on the direction of what stands around it: marks, embeddings, overrides and isolates. */
const DIRECTIONS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** A text of somebody else's as it can be shown: what would act on the screen instead of standing on it is made visible. */
export function visibleText(text: string): string {
  return text
    .replace(/\r\n?|[\u2028\u2029]/gu, '\n')
    .replace(OVERRIDES, '')
    .replace(CONTROLS, pictureOf);
}

/** A name on one line, which cannot turn around what stands beside it. */
export function visibleName(name: string): string {
  return name.replace(DIRECTIONS, '').replace(/\s+/gu, ' ').trim().replace(CONTROLS, pictureOf);
}

function pictureOf(control: string): string {
  if (control === '\t' || control === '\n') return control;
  const code = control.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? '\u2421' : '\ufffd';
}
