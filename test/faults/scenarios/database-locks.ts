import pg from 'pg';
import { eventually } from '../../support/eventually.ts';

/** Somebody else's transactions on the rows of a session, on the database itself. */
export class DatabaseLocks {
  readonly #client: pg.Client;
  readonly #sessionId: string;

  private constructor(client: pg.Client, sessionId: string) {
    this.#client = client;
    this.#sessionId = sessionId;
  }

  static async open(url: string, sessionId: string): Promise<DatabaseLocks> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return new DatabaseLocks(client, sessionId);
  }

  /** Nobody else can write the session until `release`. */
  async hold(): Promise<void> {
    await this.#client.query('begin');
    await this.#client.query('select 1 from sessions where id = $1 for update', [this.#sessionId]);
  }

  async release(): Promise<void> {
    await this.#client.query('rollback');
  }

  /**
   * Holds the seats, waits until the archive holds the session and waits for them, and asks for the session: one of the
   * two has to give way, and `isOurs` is for us to do so. Gives which one did; null when the archive did not come.
   */
  async deadlock(isOurs: boolean): Promise<'archive' | 'other' | null> {
    await this.#client.query('begin');
    // Who looks for a deadlock first gives way; the archive does after a second.
    await this.#client.query("select set_config('deadlock_timeout', $1, true)", [isOurs ? '300ms' : '10s']);
    await this.#client.query('select 1 from participants where session_id = $1 for update', [this.#sessionId]);
    try {
      await eventually(() => this.#awaited(), WAITED_MS);
    } catch {
      await this.release();
      return null;
    }
    try {
      await this.#client.query('select 1 from sessions where id = $1 for update', [this.#sessionId]);
      return 'archive';
    } catch (error) {
      if ((error as { code?: unknown }).code === DEADLOCK) return 'other';
      throw error;
    } finally {
      await this.release();
    }
  }

  async close(): Promise<void> {
    await this.#client.end();
  }

  async #awaited(): Promise<void> {
    const { rows } = await this.#client.query<{ count: string }>(
      `select count(*)::text from pg_stat_activity
       where pg_backend_pid() = any(pg_blocking_pids(pid)) and datname = current_database()`,
    );
    if (rows[0]?.count === '0') throw new Error('nobody waits');
  }
}

const WAITED_MS = 5_000;
const DEADLOCK = '40P01';
