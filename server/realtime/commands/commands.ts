import { admitKnock } from './admit-knock.ts';
import { closeSession } from './close-session.ts';
import type { Command, Services } from './command.ts';
import { createSession } from './create-session.ts';
import { getSession } from './get-session.ts';
import { joinSession } from './join-session.ts';
import { kickParticipant } from './kick-participant.ts';
import { leaveSession } from './leave-session.ts';
import { lockSession } from './lock-session.ts';
import { readHistory } from './read-history.ts';
import { recordReceipt } from './record-receipt.ts';
import { refreshToken } from './refresh-token.ts';
import { reopenSession } from './reopen-session.ts';
import { reportActivity } from './report-activity.ts';
import { sendMessage } from './send-message.ts';
import { sendSignal } from './send-signal.ts';

const COMMANDS = [
  createSession,
  joinSession,
  admitKnock,
  leaveSession,
  closeSession,
  kickParticipant,
  lockSession,
  reopenSession,
  getSession,
  sendMessage,
  readHistory,
  recordReceipt,
  sendSignal,
  reportActivity,
  refreshToken,
];

/** All commands by name. A Map, because a client may name `__proto__`. */
export function createCommands(services: Services): ReadonlyMap<unknown, Command> {
  return new Map(COMMANDS.map((define) => define(services)).map((command) => [command.name, command]));
}
