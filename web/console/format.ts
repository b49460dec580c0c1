import { count } from '../time-texts.ts';

const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const ONE_DIGIT = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const TWO_DIGITS = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });

/** What stands where there is no figure. */
export const NOTHING = '\u2013';

/** As many digits as tell something: 0.05, 7.3, 1,234. */
export function numberText(value: number | null): string {
  if (value === null) return NOTHING;
  const size = Math.abs(value);
  return (size < 1 ? TWO_DIGITS : size < 100 ? ONE_DIGIT : WHOLE).format(value);
}

export function rateText(perSecond: number | null): string {
  return perSecond === null ? NOTHING : `${numberText(perSecond)}/s`;
}

export function millisecondsText(ms: number | null): string {
  if (ms === null) return NOTHING;
  return ms < 10_000 ? `${numberText(ms)}\u00a0ms` : agoText(ms);
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${numberText(value)}\u00a0${BYTE_UNITS[unit] ?? ''}`;
}

/** How long something has been going on, in its two largest units: `3 d 4 h`. */
export function agoText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return '0\u00a0s';
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount}\u00a0${unit}`)
    .join(' ');
}

/** A time of day on this device, to the second. */
export function timeText(iso: string | number): string {
  return new Date(iso).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
}

/** `2026-01-31 14:05:03` on this device, on one line. */
export function dateTimeText(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return NOTHING;
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, '0'));
  return `${day.join('-')}\u00a0${timeText(iso)}`;
}

/** `1 session`, `1,234 sessions`. */
export function countText(amount: number, unit: string): string {
  return amount < 1000 ? count(amount, unit) : `${WHOLE.format(amount)} ${unit}s`;
}
