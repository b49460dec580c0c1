/** A mail taken apart, as far as ours go (RFC 2045). */
export interface Part {
  /** By their names in lower case. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly type: string;
  readonly parts: readonly Part[];
  /** Without its transfer encoding. */
  readonly body: Buffer;
}

export function parseMail(raw: string): Part {
  const [head = '', ...rest] = raw.split('\r\n\r\n');
  const body = rest.join('\r\n\r\n');
  const headers = new Map<string, string[]>();
  for (const line of head.replace(/\r\n[ \t]+/g, ' ').split('\r\n')) {
    const [name = '', ...value] = line.split(':');
    headers.set(name.toLowerCase(), [...(headers.get(name.toLowerCase()) ?? []), value.join(':').trim()]);
  }
  const content = headers.get('content-type')?.[0] ?? 'text/plain';
  const boundary = /boundary="?([^";]+)"?/.exec(content)?.[1];
  const parts =
    boundary === undefined
      ? []
      : `\r\n${body}`
          .split(`\r\n--${boundary}`)
          .slice(1)
          .filter((part) => !part.startsWith('--'))
          .map((part) => parseMail(part.replace(/^\r\n/, '')));
  const encoding = headers.get('content-transfer-encoding')?.[0] ?? '7bit';
  return { headers, type: content.split(';')[0] ?? '', parts, body: decode(body, encoding) };
}

/** Every part of that type, wherever it stands. */
export function partsOf(part: Part, type: string): Part[] {
  return [...(part.type === type ? [part] : []), ...part.parts.flatMap((inner) => partsOf(inner, type))];
}

function decode(body: string, encoding: string): Buffer {
  if (encoding === 'base64') return Buffer.from(body, 'base64');
  if (encoding !== 'quoted-printable') return Buffer.from(body);
  const bytes = body
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_match, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1');
}
