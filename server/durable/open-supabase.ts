/** The durable store in a Supabase project, its schema checked and ready. */
import type { AccountStore } from '../auth/ports.ts';
import type { DurableStore, MailQueue } from '../sessions/ports.ts';
import { VERSION } from '../version.ts';
import { MIGRATIONS_DIRECTORY } from './migration-files.ts';
import { createSupabaseCalls, type SupabaseCallsOptions, type SupabaseProject } from './supabase-client.ts';
import { contactSupabase } from './supabase-start.ts';
import {
  createSupabaseAccounts,
  createSupabaseMailQueue,
  createSupabaseStore,
  supabaseIdentity,
} from './supabase-store.ts';

export interface OpenSupabaseOptions {
  /** Calls at once that read. */
  readonly readers: number;
  /** Calls at once that write; null: those that read count too. */
  readonly writer: number | null;
  /** `lost` when the project is waited for, `recovered` when it answers. */
  readonly onEvent: (event: 'lost' | 'recovered', error?: Error) => void;
  readonly onQuery?: NonNullable<SupabaseCallsOptions['onQuery']>;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
}

export interface OpenSupabase {
  readonly store: DurableStore;
  readonly accounts: AccountStore;
  readonly mailQueue: MailQueue;
  identity(): Promise<string>;
  /** Waits for what runs; may be called twice. */
  close(): Promise<void>;
}

export async function openSupabase(
  project: SupabaseProject,
  { onEvent, onQuery, signal, ...most }: OpenSupabaseOptions,
): Promise<OpenSupabase> {
  const observer = onQuery === undefined ? {} : { onQuery };
  const readers = createSupabaseCalls(project, { max: most.readers, ...observer });
  const writer = most.writer === null ? readers : createSupabaseCalls(project, { max: most.writer, ...observer });
  const close = async () => {
    await Promise.all([readers.end(), writer.end()]);
  };
  try {
    const wanted = { directory: MIGRATIONS_DIRECTORY, codeVersion: VERSION };
    const { attempts } = await contactSupabase(readers, project, wanted, {
      onWaiting: (error) => onEvent('lost', error),
      ...(signal === undefined ? {} : { signal }),
    });
    if (attempts > 1) onEvent('recovered');
  } catch (error) {
    await close();
    throw error;
  }
  return {
    store: createSupabaseStore(readers, writer),
    accounts: createSupabaseAccounts(readers),
    mailQueue: createSupabaseMailQueue(readers),
    identity: () => supabaseIdentity(readers),
    close,
  };
}
