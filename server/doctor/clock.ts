import { ok, warning, type Finding } from './finding.ts';

/** Tokens are taken with so much between two clocks. */
const MOST_MS = 60_000;
/** A clock that is synchronised is nearer than this. */
const NOTABLE_MS = 2000;

/** `offsetMs`: how far the clock of a service is ahead of this machine's. */
export function clockFinding(check: string, offsetMs: number, service: string): Finding {
  const distance = Math.abs(Math.round(offsetMs));
  if (distance < NOTABLE_MS) return ok(check, `${distance} ms from the clock of this machine`);
  const direction = offsetMs > 0 ? 'ahead of' : 'behind';
  const harm = distance >= MOST_MS ? '; tokens of one count as expired, or not yet valid, for the other' : '';
  const found = `the clock of ${service} is ${(distance / 1000).toFixed(1)} s ${direction} that of this machine${harm}`;
  return warning(check, found, 'Synchronise both (chrony, systemd-timesyncd).');
}
