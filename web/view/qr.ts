import { create } from 'qrcode';

const SVG = 'http://www.w3.org/2000/svg';
/** Light margin that scanners need: ISO/IEC 18004 asks for four modules. */
const MARGIN = 4;

/** A text as a QR code: dark on white in both colour schemes, since many scanners do not read the inverse. */
export function qrCode(text: string, label: string): SVGSVGElement {
  const { modules } = create(text, { errorCorrectionLevel: 'M' });
  const size = modules.size + 2 * MARGIN;
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${size} ${size}`);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', label);
  svg.setAttribute('shape-rendering', 'crispEdges');
  svg.append(shape('rect', { width: `${size}`, height: `${size}`, fill: '#fff' }), shape('path', { d: dark(modules) }));
  return svg;
}

function shape(tag: 'rect' | 'path', attributes: Record<string, string>): SVGElement {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** One horizontal stroke for each run of dark modules. */
function dark(modules: { size: number; get: (row: number, column: number) => number }): string {
  const strokes: string[] = [];
  for (let row = 0; row < modules.size; row++) {
    for (let column = 0; column < modules.size; column++) {
      let length = 0;
      while (column + length < modules.size && modules.get(row, column + length) !== 0) length++;
      if (length === 0) continue;
      strokes.push(`M${column + MARGIN} ${row + MARGIN}h${length}v1h-${length}z`);
      column += length;
    }
  }
  return strokes.join('');
}
