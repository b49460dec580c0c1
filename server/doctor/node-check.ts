import { failed, ok, warning, type Finding } from './finding.ts';

const NEEDED = [20, 19] as const;
/** The oldest line that gets security fixes; that of 20 ended in April 2026. */
const OLDEST_SUPPORTED = 22;
const ADVICE = 'Install Node.js 24 from https://nodejs.org/.';

export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
    return failed('node', `Node.js ${version} is older than ${NEEDED.join('.')}`, ADVICE);
  }
  if (major < OLDEST_SUPPORTED) {
    return warning('node', `Node.js ${version} is past its end of life, and gets no security fixes`, ADVICE);
  }
  return ok('node', `Node.js ${version}`);
}
