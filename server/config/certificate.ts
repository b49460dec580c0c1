import { X509Certificate } from 'node:crypto';
import { accept, refuse, type Parse } from './parsed.ts';
import { describeReadFailure, readTextFile } from './text-file.ts';

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Certificates in PEM, given as such or as the path of a file that holds them. The value is the PEM text. */
export const certificates: Parse<string> = (value) => {
  const expected = 'certificates in PEM, or the path of a file that holds them';
  let pem = value;
  if (!value.includes('-----BEGIN')) {
    const file = readTextFile(value);
    if (!file.ok) {
      return refuse({ expected: `${expected}; ${describeReadFailure(file.reason)}`, advice: 'correct the path' });
    }
    pem = file.text;
  }
  const found = pem.match(PEM) ?? [];
  if (found.length > 0 && found.every(isCertificate)) return accept(pem);
  return refuse({ expected: `${expected}; there is no certificate, or one that cannot be read` });
};

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    // It throws for all that is not a certificate; the caller says so.
    return false;
  }
}
