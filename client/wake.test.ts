import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { systemClock } from './clock.ts';
import { watchForWaking } from './wake.ts';

const DAY_MS = 86_400_000;
const PAGE_EVENTS = ['online', 'pageshow'];
const DOCUMENT_EVENTS = ['visibilitychange', 'resume'];

class FakeDocument extends EventTarget {
  visibilityState = 'visible';
}

/** Puts a page where the library looks for one; what it returns takes it away again. */
function stagePage(): { page: EventTarget; document: FakeDocument; remove: () => void } {
  const page = new EventTarget();
  const document = new FakeDocument();
  const parts = {
    document,
    addEventListener: page.addEventListener.bind(page),
    removeEventListener: page.removeEventListener.bind(page),
  };
  for (const [name, value] of Object.entries(parts)) {
    Object.defineProperty(globalThis, name, { value, configurable: true });
  }
  return {
    page,
    document,
    remove: () => {
      for (const name of Object.keys(parts)) Reflect.deleteProperty(globalThis, name);
    },
  };
}

let wakes: number;
let end: () => void;

function watch(): void {
  end = watchForWaking(systemClock, () => (wakes += 1));
}

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
  wakes = 0;
});
afterEach(() => {
  end();
  jest.useRealTimers();
});

describe('watchForWaking without a page', () => {
  it('is silent while time passes as it should', () => {
    watch();
    jest.advanceTimersByTime(600_000);
    expect(wakes).toBe(0);
  });

  it('tells once of a device that slept, when its timers run again', () => {
    watch();
    jest.advanceTimersByTime(7_000);
    jest.setSystemTime(Date.now() + 600_000);
    expect(wakes).toBe(0);
    jest.advanceTimersByTime(3_000);
    expect(wakes).toBe(1);
    jest.advanceTimersByTime(60_000);
    expect(wakes).toBe(1);
  });

  it('takes a timer that is a little late for what it is', () => {
    watch();
    jest.setSystemTime(Date.now() + 10_000);
    jest.advanceTimersByTime(5_000);
    expect(wakes).toBe(0);
    jest.setSystemTime(Date.now() + 10_001);
    jest.advanceTimersByTime(5_000);
    expect(wakes).toBe(1);
  });

  it('goes on after the clock was set back by a day', () => {
    watch();
    jest.setSystemTime(Date.now() - DAY_MS);
    jest.advanceTimersByTime(60_000);
    expect(wakes).toBe(0);
    jest.setSystemTime(Date.now() + 600_000);
    jest.advanceTimersByTime(5_000);
    expect(wakes).toBe(1);
  });

  it('leaves no timer behind', () => {
    watch();
    jest.advanceTimersByTime(12_000);
    expect(jest.getTimerCount()).toBe(1);
    end();
    expect(jest.getTimerCount()).toBe(0);
    jest.setSystemTime(Date.now() + DAY_MS);
    jest.advanceTimersByTime(60_000);
    expect(wakes).toBe(0);
  });
});

describe('watchForWaking in a page', () => {
  let stage: ReturnType<typeof stagePage>;

  beforeEach(() => {
    stage = stagePage();
  });
  afterEach(() => {
    end();
    stage.remove();
  });

  it.each(PAGE_EVENTS)('tells of %s', (event) => {
    watch();
    stage.page.dispatchEvent(new Event(event));
    expect(wakes).toBe(1);
  });

  it('tells of a page that was frozen and goes on', () => {
    watch();
    stage.document.dispatchEvent(new Event('resume'));
    expect(wakes).toBe(1);
  });

  it('tells of a tab that becomes visible, and not of one that is hidden', () => {
    watch();
    stage.document.visibilityState = 'hidden';
    stage.document.dispatchEvent(new Event('visibilitychange'));
    expect(wakes).toBe(0);
    stage.document.visibilityState = 'visible';
    stage.document.dispatchEvent(new Event('visibilitychange'));
    expect(wakes).toBe(1);
  });

  it('listens no more once it has ended', () => {
    watch();
    end();
    for (const event of PAGE_EVENTS) stage.page.dispatchEvent(new Event(event));
    for (const event of DOCUMENT_EVENTS) stage.document.dispatchEvent(new Event(event));
    expect(wakes).toBe(0);
  });
});
