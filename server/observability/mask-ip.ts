import { canonicalAddress, ipv6Prefix } from '../limits/client-ip.ts';

/**
 * An address without what tells one household from the next: `192.0.2.x`, or the first /48 of IPv6. Logs and other
 * people see this form alone. What is no address becomes `unknown`, so that nothing else can slip through.
 */
export function maskIp(address: string): string {
  const canonical = canonicalAddress(address);
  if (canonical === null) return 'unknown';
  return ipv6Prefix(canonical, 3) ?? canonical.replace(/\d+$/, 'x');
}
