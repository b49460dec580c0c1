const KEY = 'tandem.draft';

/** What was typed and not sent, for a reload of the page. Storage may be missing, full or forbidden: then it is lost. */
export class DraftStore {
  private readonly storage: Storage | null;

  constructor(storage: Storage | null) {
    this.storage = storage;
  }

  /** Empty when there is none, or when it belongs to another session. */
  load(sessionId: string): string {
    try {
      const stored: unknown = JSON.parse(this.storage?.getItem(KEY) ?? 'null');
      return isDraft(stored) && stored.sessionId === sessionId ? stored.text : '';
    } catch {
      return '';
    }
  }

  save(sessionId: string, text: string): void {
    try {
      if (text === '') this.storage?.removeItem(KEY);
      else this.storage?.setItem(KEY, JSON.stringify({ sessionId, text }));
    } catch {
      // The text is still in the field.
    }
  }

  forget(): void {
    this.save('', '');
  }
}

function isDraft(value: unknown): value is { sessionId: string; text: string } {
  if (typeof value !== 'object' || value === null || !('sessionId' in value) || !('text' in value)) return false;
  return typeof value.sessionId === 'string' && typeof value.text === 'string';
}
