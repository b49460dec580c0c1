import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { TrustProxy } from '../limits/client-ip.ts';
import { accept, parseList, refuse, type Parse, type Parsed, type Problem } from './parsed.ts';

const MOST_HOPS = 32;

/** A host name or an IP address to listen on, without port and without brackets. */
export const host: Parse<string> = (text) => {
  if (isIP(text) !== 0 || isHostName(text)) return accept(text);
  return refuse({ expected: 'an IP address or a host name, without scheme, port and brackets' });
};

function isHostName(text: string): boolean {
  // A name of digits and dots alone is a mistyped IPv4 address.
  if (text.length > 253 || /^[\d.]+$/.test(text)) return false;
  return text.split('.').every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label));
}

/** The origin at which browsers reach the server, as they spell it: lower case, default port left out. */
export const publicUrl: Parse<string> = (text) => {
  const origin = toOrigin(text.endsWith('/') ? text.slice(0, -1) : text);
  if (origin !== undefined) return accept(origin);
  return refuse({
    expected: 'a URL such as https://tandem.example, with http or https and without path, query and credentials',
  });
};

/** Origins that may open the pages' sockets besides the server's own; `*` is any. */
export const corsOrigins: Parse<'*' | readonly string[]> = (text, { production }) => {
  if (text.trim() === '*') {
    if (!production) return accept('*');
    return refuse({
      expected: 'exact origins, because "*" lets every web page connect and NODE_ENV is production',
      advice: "name each origin, such as https://app.example, or remove it for the server's own origin alone",
    });
  }
  const origins = parseList<string>(text, (entry) => toOrigin(entry) ?? originProblem(entry));
  return origins.ok ? accept([...new Set(origins.value)]) : origins;
};

function toOrigin(text: string): string | undefined {
  if (!/^https?:\/\/[^/?#@\\*\s\p{Cc}]+$/iu.test(text) || !URL.canParse(text)) return undefined;
  return new URL(text).origin;
}

function originProblem(entry: string): Problem {
  const fault = originFault(entry);
  const form = 'scheme, host and, where it is not the usual one, port';
  return { expected: `an origin such as https://app.example (${form}); ${fault}`, advice: 'correct this entry' };
}

function originFault(entry: string): string {
  if (entry === '') return 'this entry is empty';
  if (entry.includes('*')) return 'a wildcard is not possible here';
  if (!/^https?:\/\//i.test(entry)) return 'this entry does not begin with http:// or https://';
  if (entry.includes('@')) return 'this entry holds credentials';
  if (/^https?:\/\/[^/?#]+\/$/i.test(entry)) return 'this entry ends with a slash';
  if (/^https?:\/\/[^/?#]+[/?#]/i.test(entry)) return 'this entry has a path or a query';
  return 'this entry is not a URL';
}

/**
 * Which addresses in front of the server may say who the client is: a number of proxies, or their networks. Trusting
 * all would let every client choose its own address, and with it its rate limits.
 */
export const trustProxy: Parse<TrustProxy> = (text) => {
  if (/^\d+$/.test(text)) {
    if (/^(0|[1-9]\d?)$/.test(text) && Number(text) <= MOST_HOPS) return accept({ kind: 'hops', hops: Number(text) });
    return refuse({ expected: `${FORM}; a number of proxies is at most ${MOST_HOPS}` });
  }
  if (text.toLowerCase() === 'true') {
    return refuse({
      expected: `${FORM}; "true" would let every client choose its own address and escape its limits`,
      advice: 'set it to the number of proxies in front of the server, such as 1, or to their networks',
    });
  }
  const networks: Parsed<readonly string[]> = parseList<string>(text, (entry) =>
    isNetwork(entry) ? entry : networkProblem(entry),
  );
  return networks.ok ? accept({ kind: 'networks', networks: [...networks.value] }) : networks;
};

const FORM = `a number of proxies from 0 to ${MOST_HOPS}, or comma-separated IP addresses and networks such as 10.0.0.0/8,fd00::/8`;

function networkProblem(entry: string): Problem {
  if (!/\/0+$/.test(entry)) return { expected: FORM };
  return { expected: `${FORM}; a network of all addresses would let every client choose its own` };
}

function isNetwork(entry: string): boolean {
  // A zone (fe80::1%eth0) names an interface and matches no client.
  const match = /^([^/%]+)(?:\/([1-9]\d{0,2}))?$/.exec(entry);
  const address = match?.[1];
  if (address === undefined) return false;
  const bits = Number(match?.[2] ?? 1);
  return (isIPv4(address) && bits <= 32) || (isIPv6(address) && bits <= 128);
}

/** `host:port`, comma separated: the shape of a list of Redis nodes. IPv6 addresses stand in brackets. */
export const nodeList: Parse<readonly string[]> = (text) =>
  parseList<string>(text, (entry) => {
    const match = /^(\[[^\]]+\]|[^:[\]]+):([1-9]\d{0,4})$/.exec(entry);
    const name = match?.[1] ?? '';
    const isHost = name.startsWith('[') ? isIPv6(name.slice(1, -1)) : isIPv4(name) || isHostName(name);
    if (isHost && Number(match?.[2]) <= 65_535) return entry;
    return { expected: 'comma-separated nodes, each host:port' };
  });

/** A URL with one of the schemes; it may hold credentials, so the variable that uses it is a secret or says otherwise. */
export function url(...schemes: readonly string[]): Parse<string> {
  const forms = schemes.map((scheme) => `${scheme}://`).join(' or ');
  return (text) => {
    const scheme = schemes.find((known) => text.toLowerCase().startsWith(`${known}://`));
    const hasMore = scheme !== undefined && text.length > `${scheme}://`.length;
    if (hasMore && !/[\s\p{Cc}]/u.test(text) && URL.canParse(text)) return accept(text);
    return refuse({ expected: `a URL that begins with ${forms}` });
  };
}

/** One sender: `name@example.org`, or `Tandem <name@example.org>`. One line, one address: nothing to smuggle a header in. */
export const mailAddress: Parse<string> = (text) => {
  const address = /^[^<>,;:"\\\p{Cc}]* <([^<>]+)>$/u.exec(text)?.[1] ?? text;
  if (
    /^[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[^@]+$/i.test(address) &&
    isHostName(address.slice(address.indexOf('@') + 1))
  )
    return accept(text);
  return refuse({ expected: 'one e-mail address, such as tandem@example.org or Tandem <tandem@example.org>' });
};
