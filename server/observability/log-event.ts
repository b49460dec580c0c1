/** From what someone must act on now, over what healed itself and the life of process, connection and session, to the rest. */
export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** Every event that a log line may have; operators search and alert by these names, so they never change. */
export type LogEvent =
  | 'server_started'
  | 'server_stopped'
  | 'drain_started'
  | 'connection_opened'
  | 'connection_closed'
  | 'session_created'
  | 'session_paired'
  | 'session_resumed'
  | 'session_closed'
  | 'message_sent'
  | 'rate_limit_exceeded'
  | 'auth_failed'
  | 'token_revoked'
  | 'redis_lost'
  | 'redis_recovered'
  | 'db_error'
  | 'db_recovered'
  /** Messages no longer get through this instance, and do again; told by a canary of its own. */
  | 'delivery_failed'
  | 'delivery_recovered'
  | 'archive_failed'
  | 'slow_consumer_closed'
  | 'email_sent'
  /** An invitation that was given up (warn), or that led nowhere any more when its turn came (info). */
  | 'email_failed'
  | 'email_withdrawn'
  | 'security_event'
  /** One phase of the stop is over (debug). */
  | 'drain_phase'
  /** A fault of ours that a caller was told as `INTERNAL`. */
  | 'internal_error'
  /** Spans that did not reach the collector, at most once a minute. */
  | 'traces_lost'
  /** Events that timelines of sessions lack: the database was away for too long, or refused them; at most once a minute. */
  | 'session_events_lost'
  /** Log files can't be written, from the first lost line on; and are written again. On stdout alone. */
  | 'log_file_failed'
  | 'log_file_recovered';
