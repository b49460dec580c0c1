import { accept, refuse, type Parse } from './parsed.ts';

const FORM = 'the URL of a Supabase project, such as https://abcdefgh.supabase.co';

/** Where the project's Data API is; without a slash at its end. A project of one's own may live below a path. */
export const supabaseUrl: Parse<string> = (text) => {
  if (!/^https?:\/\/[^\s\p{Cc}]+$/iu.test(text) || !URL.canParse(text)) return wrong('');
  const { username, password, search, hash, pathname, origin } = new URL(text);
  if (username !== '' || password !== '') return wrong('; this one holds credentials');
  if (search !== '' || hash !== '') return wrong('; this one has a query or "#"');
  const path = pathname.replace(/\/+$/, '');
  if (/\/(rest|auth|realtime|storage|functions)\/v1$/.test(path)) {
    return wrong('; this one is that of one of its services', 'take what stands before that path');
  }
  return accept(`${origin}${path}`);
};

function wrong(reason: string, advice?: string) {
  return refuse({ expected: `${FORM}${reason}`, ...(advice === undefined ? {} : { advice }) });
}

const KEY_FORM = 'the service_role key of the project, or a secret one (sb_secret_…)';
const TAKE_IT = 'take it from the API keys of the project';

/** What any visitor of a page may have is no key for a server. The rest is for the project to say. */
export const supabaseKey: Parse<string> = (text) => {
  if (!/^[\x21-\x7e]+$/.test(text)) {
    return refuse({ expected: `${KEY_FORM}, which is printable ASCII without white space`, advice: TAKE_IT });
  }
  if (text.startsWith('sb_publishable_')) {
    return refuse({ expected: `${KEY_FORM}; this one is publishable`, advice: TAKE_IT });
  }
  const role = roleOf(text);
  if (role !== null && role !== 'service_role') {
    return refuse({ expected: `${KEY_FORM}; this one is for another role`, advice: TAKE_IT });
  }
  return accept(text);
};

/** The role that a key names, if it is a JWT; unverified, which is the business of the project. */
function roleOf(key: string): string | null {
  const [, payload, signature] = key.split('.');
  if (payload === undefined || signature === undefined) return null;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
    if (typeof claims !== 'object' || claims === null || !('role' in claims)) return null;
    return typeof claims.role === 'string' ? claims.role : null;
  } catch {
    // No JWT, then.
    return null;
  }
}
