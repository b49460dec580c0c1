import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { canonicalAddress, createClientIp, ipv6Prefix, type TrustProxy } from './client-ip.ts';

const noProxy: TrustProxy = { kind: 'hops', hops: 0 };
const oneHop: TrustProxy = { kind: 'hops', hops: 1 };
const privateNetwork: TrustProxy = { kind: 'networks', networks: ['10.0.0.0/8', 'fd00::/8'] };

/** As much of a request as an address is read from. */
function request(remoteAddress: string | undefined, forwardedFor?: string): IncomingMessage {
  const headers = forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor };
  return { socket: { remoteAddress }, headers } as unknown as IncomingMessage;
}

describe('clientIp without trust in a proxy', () => {
  it('puts 1,000 spoofed headers into one bucket', () => {
    const clientIp = createClientIp(noProxy);
    const buckets = new Set<string>();
    for (let index = 0; index < 1000; index += 1) {
      const spoofed = `203.0.113.${index % 256}, 2001:db8:${index.toString(16)}::1, 10.0.0.${index % 256}`;
      buckets.add(clientIp(request('198.51.100.7', spoofed)).bucket);
    }
    expect([...buckets]).toEqual(['198.51.100.7']);
  });

  it('puts spoofed headers into one bucket when the peer is outside the trusted networks', () => {
    const clientIp = createClientIp(privateNetwork);
    expect(clientIp(request('198.51.100.7', '10.0.0.1')).address).toBe('198.51.100.7');
  });
});

describe('clientIp behind proxies', () => {
  it('takes the entry of the nearest proxy and nothing that the client wrote before it', () => {
    const clientIp = createClientIp(oneHop);
    const buckets = new Set<string>();
    for (let index = 0; index < 1000; index += 1) {
      buckets.add(clientIp(request('10.0.0.1', `spoofed-${index}, 203.0.113.${index % 256}, 198.51.100.7`)).bucket);
    }
    expect([...buckets]).toEqual(['198.51.100.7']);
  });

  it('counts hops from the socket', () => {
    const clientIp = createClientIp({ kind: 'hops', hops: 2 });
    expect(clientIp(request('10.0.0.1', '203.0.113.1, 198.51.100.7, 10.0.0.2')).address).toBe('198.51.100.7');
  });

  it('walks over proxies of the trusted networks, IPv4-mapped ones too', () => {
    const clientIp = createClientIp(privateNetwork);
    expect(clientIp(request('::ffff:10.0.0.1', '203.0.113.1, 198.51.100.7, fd00::5, 10.0.0.2')).address).toBe(
      '198.51.100.7',
    );
  });

  it('uses the socket when a proxy sent no header', () => {
    expect(createClientIp(oneHop)(request('10.0.0.1')).address).toBe('10.0.0.1');
  });

  it.each([
    ['a word', 'garbage'],
    ['nothing', ''],
    ['numbers out of range', '999.1.1.1'],
    ['markup', '<script>'],
    ['10,000 letters', 'a'.repeat(10_000)],
    ['a malformed IPv6 address', '2001:db8:::1'],
  ])('falls back to the proxy when it forwarded %s', (_name, entry) => {
    for (const trust of [oneHop, privateNetwork]) {
      expect(createClientIp(trust)(request('10.0.0.1', entry))).toEqual({ address: '10.0.0.1', bucket: '10.0.0.1' });
    }
  });

  it('falls back to the nearest good entry when a farther one is garbage', () => {
    const clientIp = createClientIp({ kind: 'hops', hops: 2 });
    expect(clientIp(request('10.0.0.1', 'garbage, 198.51.100.7')).address).toBe('198.51.100.7');
  });

  it('refuses a trusted network that is none', () => {
    expect(() => createClientIp({ kind: 'networks', networks: ['10.0.0.0/99'] })).toThrow();
  });
});

describe('addresses', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    [' 192.0.2.1 ', '192.0.2.1'],
    ['192.0.2.1:5678', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:C000:0201', '192.0.2.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::', '::'],
    ['1::', '1::'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ])('reads %s as %s', (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
  });

  it.each(['', 'unknown', '_hidden', '192.0.2', '192.0.2.01', '0x7f.1', '1::2::3', '[::1', ':'])(
    'reads %j as no address',
    (text) => {
      expect(canonicalAddress(text)).toBeNull();
    },
  );

  it('counts a whole /64 of IPv6 as one client, and its neighbour as another', () => {
    const clientIp = createClientIp(noProxy);
    expect(clientIp(request('2001:db8:1:2:aaaa::1'))).toEqual({
      address: '2001:db8:1:2:aaaa::1',
      bucket: '2001:db8:1:2::/64',
    });
    expect(clientIp(request('2001:0DB8:0001:0002:ffff:ffff:ffff:ffff')).bucket).toBe('2001:db8:1:2::/64');
    expect(clientIp(request('2001:db8:1:3::1')).bucket).toBe('2001:db8:1:3::/64');
    expect(clientIp(request('2001:db8::1')).bucket).toBe('2001:db8::/64');
  });

  it('gives an IPv4 client the same bucket on a dual-stack socket', () => {
    const clientIp = createClientIp(noProxy);
    expect(clientIp(request('::ffff:198.51.100.7'))).toEqual(clientIp(request('198.51.100.7')));
  });

  it('cuts IPv6 prefixes in canonical form', () => {
    expect(ipv6Prefix('2001:db8:1:2::1', 3)).toBe('2001:db8:1::/48');
    expect(ipv6Prefix('::1', 3)).toBe('::/48');
    expect(ipv6Prefix('192.0.2.1', 3)).toBeNull();
  });

  it('names a socket that is already gone', () => {
    expect(createClientIp(oneHop)(request(undefined, '203.0.113.1')).bucket).toBe('unknown');
  });
});
