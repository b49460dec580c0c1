export function durationText(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  if (seconds <= 90) return count(seconds, 'second');
  const minutes = Math.round(seconds / 60);
  return minutes <= 90 ? count(minutes, 'minute') : count(Math.round(minutes / 60), 'hour');
}

export function count(amount: number, unit: string): string {
  return `${amount} ${unit}${amount === 1 ? '' : 's'}`;
}

/** A time of day on this device: `14:05`, or `02:05 PM` kept on one line. */
export function clockText(iso: string): string {
  return new Date(iso).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }).replace(/\s/g, '\u00a0');
}

/** `day` is a date of this device, such as `2026-01-31`. */
export function dayText(day: string): string {
  const date = new Date(`${day}T12:00:00`);
  const midnight = new Date().setHours(0, 0, 0, 0);
  const daysAgo = Math.round((midnight - new Date(date).setHours(0, 0, 0, 0)) / 86_400_000);
  if (daysAgo === 0) return 'Today';
  if (daysAgo === 1) return 'Yesterday';
  return date.toLocaleDateString('en', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
}
