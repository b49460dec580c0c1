import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import proxyAddr from 'proxy-addr';

/** Whose `X-Forwarded-For` entries are believed: the nearest `hops` proxies, or proxies in these networks (CIDR). */
export type TrustProxy = { kind: 'hops'; hops: number } | { kind: 'networks'; networks: readonly string[] };

/** Where a request comes from. */
export interface ClientIp {
  /** Canonical address: IPv4 dotted, IPv6 compressed; `unknown` when the socket is already gone. */
  address: string;
  /**
   * What limits count by: the IPv4 address, or the /64 of an IPv6 address, because a single customer line commonly has
   * a whole /64 to choose its addresses from (RFC 6177).
   */
  bucket: string;
}

const UNKNOWN: ClientIp = { address: 'unknown', bucket: 'unknown' };

/**
 * The one answer to "who is this", for HTTP requests and for socket handshakes. Without trust in a proxy, headers
 * change nothing. An entry that is not an address is passed over in favour of the next nearer one, which a trusted
 * proxy or the socket itself vouches for. Throws when a network is not a CIDR.
 */
export function createClientIp(trustProxy: TrustProxy): (request: IncomingMessage) => ClientIp {
  const isTrusted = trustedBy(trustProxy);
  return (request) => {
    if (request.socket.remoteAddress === undefined) return UNKNOWN;
    const chain = proxyAddr.all(request, isTrusted);
    for (const entry of chain.reverse()) {
      const address = canonicalAddress(entry);
      if (address !== null) return { address, bucket: bucketOf(address) };
    }
    return UNKNOWN;
  };
}

/**
 * Canonical text of an address, or null when it is none. IPv4-mapped IPv6 becomes IPv4, so that one client has one
 * name on a dual-stack socket; a zone, brackets and a port (some balancers append it) are taken off.
 */
export function canonicalAddress(text: string): string | null {
  const bare = withoutPort(text.trim()).replace(/%.*$/, '');
  if (isIP(bare) === 4) return bare;
  const groups = ipv6Groups(bare);
  if (groups === null) return null;
  const [high = 0, low = 0] = groups.slice(6);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) return [high >> 8, high & 255, low >> 8, low & 255].join('.');
  return ipv6Text(groups);
}

/** The first `groups` of eight groups of an IPv6 address as a network: `2001:db8::/48` for 3 of them. */
export function ipv6Prefix(address: string, groups: number): string | null {
  const all = ipv6Groups(address);
  if (all === null) return null;
  return `${ipv6Text(all.map((group, index) => (index < groups ? group : 0)))}/${16 * groups}`;
}

function trustedBy(trustProxy: TrustProxy): (address: string, distance: number) => boolean {
  if (trustProxy.kind === 'networks') return proxyAddr.compile([...trustProxy.networks]);
  return (_address, distance) => distance < trustProxy.hops;
}

/** For whom limits count an address that is written in any way; what is none counts for itself. */
export function addressBucket(text: string): string {
  const address = canonicalAddress(text);
  return address === null ? text : bucketOf(address);
}

function bucketOf(address: string): string {
  return ipv6Prefix(address, 4) ?? address;
}

function withoutPort(text: string): string {
  const match = /^\[([^\]]+)\](?::\d+)?$/.exec(text) ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text);
  return match?.[1] ?? text;
}

function ipv6Groups(address: string): number[] | null {
  if (isIP(address) !== 6 || address.includes('%')) return null;
  // The URL parser compresses, lower-cases and turns a dotted tail into groups: what is left is at most one "::".
  const compressed = hostOf(address);
  const [head = '', tail] = compressed.split('::');
  const left = parseGroups(head);
  if (tail === undefined) return left;
  const right = parseGroups(tail);
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
}

function parseGroups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

function ipv6Text(groups: number[]): string {
  return hostOf(groups.map((group) => group.toString(16)).join(':'));
}

/** Host of a URL with this IPv6 address, without its brackets: the canonical form of RFC 5952. */
function hostOf(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}
