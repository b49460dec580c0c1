const INTERVAL_MS = 1000;

/** Reads `/metrics` each second, as Prometheus does; the returned function ends it. A failed scrape is a failure there. */
export function scrapeEachSecond(address: string): () => Promise<void> {
  const scrapes: Promise<void>[] = [];
  const timer = setInterval(() => {
    const scrape = scrapeOnce(address);
    // Told by whoever ends the scraping; until then it must not count as unhandled.
    scrape.catch(() => undefined);
    scrapes.push(scrape);
  }, INTERVAL_MS);
  return async () => {
    clearInterval(timer);
    await Promise.all(scrapes);
  };
}

async function scrapeOnce(address: string): Promise<void> {
  const response = await fetch(`http://${address}/metrics`, { headers: { Accept: 'text/plain;version=0.0.4' } });
  const text = await response.text();
  if (response.status !== 200 || !text.includes('tandem_messages_total')) {
    throw new Error(`expected metrics from ${address}, got ${response.status}`);
  }
}
