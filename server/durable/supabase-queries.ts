import type pg from 'pg';
import type { Pool, Statement } from './pool.ts';
import type { SupabaseCalls } from './supabase-client.ts';

/** Of each statement, which is a function of the same name in the database: what its parameters are called there. */
const PARAMETERS = new Map<string, readonly string[]>([
  ['load_session', ['of_session']],
  ['raise_epoch', ['of_session', 'known_epoch']],
  ['find_by_code', ['given_code', 'at_time']],
  ['find_by_key', ['given_hash']],
  ['open_heads', ['above', 'most']],
  ['closed_among', ['ids']],
  ['list_sessions', ['below', 'most']],
  ['list_waiting_sessions', ['below', 'most']],
  ['list_paired_sessions', ['below', 'most']],
  ['list_closed_sessions', ['below', 'most']],
  ['search_sessions', ['low_id', 'high_id', 'low_name', 'high_name', 'of_status', 'below', 'most']],
  ['sessions_of_user', ['of_user', 'below', 'most']],
  ['record_events', ['given']],
  ['session_events', ['of_session', 'before_at', 'before_id', 'most']],
  ['messages_after', ['of_session', 'after_seq', 'most']],
  ['messages_before', ['of_session', 'before_seq', 'most']],
  ['find_send', ['of_session', 'of_participant', 'message_id']],
  ['find_server_send', ['of_session', 'message_id']],
  ['recent_sends', ['of_session', 'since', 'most']],
  ['analytics', ['from_day', 'to_day']],
  ['left_seats', ['of_session', 'most']],
  ['seats_of_user', ['of_user', 'of_session', 'most']],
  ['register_user', ['account', 'login']],
  ['find_by_email', ['given_key']],
  ['find_user', ['of_user']],
  ['count_users', []],
  ['begin_login', ['login', 'of_user', 'known_hash']],
  ['refresh_login', ['used']],
  ['logins', ['of_user', 'at_time', 'most']],
  ['login_ends_at', ['of_login', 'at_time']],
  ['end_logins', ['owner', 'chosen', 'keep', 'reason', 'moment', 'revoked_until']],
  ['change_password', ['owner', 'known_hash', 'next_hash', 'keep', 'moment', 'revoked_until']],
  ['delete_user', ['subject', 'moment', 'revoked_until']],
  ['revoke_tokens', ['given']],
  ['changed_revocations', ['since', 'most']],
  ['enqueue_mail', ['mail', 'of_session', 'sent_by', 'sent_to', 'filled_with', 'first_due', 'at_time']],
  ['take_mails', ['moment', 'lease_ms', 'at_most']],
  ['settle_mails', ['given', 'moment']],
  ['count_mails', []],
  ['expire_rows', ['older_than', 'keep_newest', 'moment', 'at_most']],
]);

/** The statements of the SQL store where there is no connection: each gives the rows that it would give over one. */
export function supabaseQueries(calls: Pick<SupabaseCalls, 'call'>): Pick<Pool, 'query'> {
  return {
    query: async <R extends pg.QueryResultRow>({ name }: Statement, values: readonly unknown[]) => {
      const names = PARAMETERS.get(name);
      if (names?.length !== values.length) throw new TypeError(`No function has the parameters of ${name}`);
      const parameters = Object.fromEntries(names.map((parameter, index) => [parameter, values[index]]));
      // As a connection's rows are: what the statement says.
      return (await calls.call(name, parameters)) as R[];
    },
  };
}
