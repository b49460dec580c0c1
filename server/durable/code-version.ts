/** Versions of the code, `major.minor.patch`; what follows (`-rc.1`, `+build`) does not count. */
export function isVersion(text: string): boolean {
  return /^\d+\.\d+\.\d+([-+].*)?$/.test(text);
}

export function isOlder(version: string, than: string): boolean {
  const left = numbersOf(version);
  const right = numbersOf(than);
  const index = left.findIndex((number, at) => number !== right[at]);
  return index !== -1 && (left[index] ?? 0) < (right[index] ?? 0);
}

function numbersOf(version: string): number[] {
  return (/^\d+\.\d+\.\d+/.exec(version)?.[0] ?? '0.0.0').split('.').map(Number);
}
