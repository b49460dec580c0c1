import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface ServerCertificate {
  /** Signed by itself: the certificate is its own authority. */
  readonly certificate: string;
  readonly key: string;
}

/** `names` as in a certificate: `DNS:localhost`, `IP:127.0.0.1`. */
export async function makeCertificate(names: readonly string[]): Promise<ServerCertificate> {
  const directory = await mkdtemp(join(tmpdir(), 'tandem-certificate-'));
  const [certificate, key] = [join(directory, 'server.crt'), join(directory, 'server.key')];
  try {
    await promisify(execFile)('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-subj', '/CN=Tandem test', '-addext', `subjectAltName=${names.join(',')}`],
      ...['-keyout', key, '-out', certificate],
    ]);
    return { certificate: await readFile(certificate, 'utf8'), key: await readFile(key, 'utf8') };
  } finally {
    await rm(directory, { recursive: true });
  }
}
