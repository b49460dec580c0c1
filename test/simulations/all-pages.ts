import type { Message } from '../../protocol/session.ts';
import type { HistoryPage } from '../../server/sessions/history.ts';

/** All messages after that one, page by page. */
export async function allPages(
  afterSeq: number,
  read: (range: { afterSeq: number; limit: number }) => Promise<HistoryPage | null>,
): Promise<Message[]> {
  const messages: Message[] = [];
  for (;;) {
    const page = await read({ afterSeq: messages.at(-1)?.seq ?? afterSeq, limit: 200 });
    messages.push(...(page?.messages ?? []));
    if (page?.hasMore !== true) return messages;
  }
}
