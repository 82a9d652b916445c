// A page left open for a day: fed far faster than the server would, it holds as much as before.

import { check, test, until } from './lib.js';
import { base, close, open, play, READY } from './world.js';

// Looks at the counters before the first measure: every list that is bounded is full by then.
const WARM = 1_000;
const MORE = 3_000;
// What may be left over: garbage that a collection does not take, and nothing per event.
const HEAP_BYTES_MAX = 1_500_000;
const NODES_MAX = 150;

/// Puts the page's streams into the hands of the test: the first event of the server is the pattern.
function feed() {
  const real = window.fetch;
  window.fed = {};
  window.fetch = async (path, init) => {
    const name = /^\/api\/v1\/(live|requests)/.exec(path)?.[1];
    const response = await real(path, init);
    if (!name) return response;
    const reader = response.body.getReader();
    let text = '';
    const wanted = { live: /event: live\nid: \d+\ndata: (.*)\n\n/, requests: /event: rows\nid: \d+\ndata: (.*)\n\n/ }[name];
    while (!wanted.test(text)) text += new TextDecoder().decode((await reader.read()).value);
    reader.cancel();
    const body = new ReadableStream({
      start(controller) {
        window.fed[name] = { controller, pattern: JSON.parse(wanted.exec(text)[1]), seen: 0 };
        controller.enqueue(new TextEncoder().encode(text));
        init.signal.addEventListener('abort', () => { controller.error(init.signal.reason); delete window.fed[name]; });
      },
    });
    return new Response(body, { status: 200 });
  };
}

/// Feeds so many looks at the counters, and as many events with 50 requests where a page listens to them.
const rounds = (page, count) => page.evaluate(async (wanted) => {
  const bytes = (name, id, data) => new TextEncoder().encode(`event: ${name}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
  for (let n = 0; n < wanted; n += 1) {
    const { live, requests } = window.fed;
    live.seen += 1;
    const time = live.pattern.time_ms + live.seen * 1000;
    // New figures every hundred looks, as after five seconds otherwise.
    live.controller.enqueue(bytes('live', live.seen, { ...live.pattern, seq: live.seen, time_ms: time, slot_ms: live.pattern.slot_ms + Math.floor(live.seen / 100) }));
    if (requests && n % 20 === 0) {
      const [row] = requests.pattern.rows;
      requests.controller.enqueue(bytes('rows', n, { rows: Array.from({ length: 50 }, (_, i) => ({ ...row, 'lbproxy.seq': n * 50 + i })), skipped: 3 }));
    }
    // So that the page takes them one by one, as it would.
    if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve));
  }
}, count);

/// What the page holds once nothing is left to collect.
async function held(page, devtools) {
  let last = null;
  return until('the garbage to be collected', async () => {
    await devtools.send('HeapProfiler.collectGarbage');
    const { metrics } = await devtools.send('Performance.getMetrics');
    const of = (name) => metrics.find((one) => one.name === name).value;
    const now = { nodes: of('Nodes'), listeners: of('JSEventListeners'), heap: of('JSHeapUsedSize') };
    const quiet = last !== null && Math.abs(now.heap - last.heap) < 100_000 && now.nodes === last.nodes;
    last = now;
    return quiet && now;
  });
}

test('a page that stays open does not grow', async () => {
  // So that every page has something to show, however long the tests took so far.
  await play('quick', '/ok', 200, 5);
  const page = await open(1280, 'light');
  await page.addInitScript(feed);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable');
  const lines = [];
  for (const [name, hash] of [['overview', '#/overview'], ['services', '#/services?open=quick'], ['requests', '#/requests'], ['slo', '#/slo?objective=availability'], ['process', '#/process'], ['shipping', '#/shipping']]) {
    await page.goto(`${base}/${hash}`);
    await page.reload();
    await page.locator(READY[name]).first().waitFor();
    const streams = name === 'requests' ? ['live', 'requests'] : ['live'];
    await until('the streams to be in hand', () => page.evaluate((all) => all.every((one) => window.fed[one]), streams));
    await rounds(page, WARM);
    const before = await held(page, devtools);
    await rounds(page, MORE);
    const after = await held(page, devtools);
    lines.push(`${name} ${before.nodes} → ${after.nodes} nodes, ${(before.heap / 1e6).toFixed(1)} → ${(after.heap / 1e6).toFixed(1)} MB`);
    check(after.nodes - before.nodes <= NODES_MAX, true, `${name}: nodes, ${before.nodes} and then ${after.nodes}`);
    check(after.listeners - before.listeners <= NODES_MAX, true, `${name}: listeners, ${before.listeners} and then ${after.listeners}`);
    check(after.heap - before.heap <= HEAP_BYTES_MAX, true, `${name}: bytes of the heap, ${before.heap} and then ${after.heap}`);
    if (name === 'requests') check(await page.locator('table.requests tbody tr').count(), 300, 'rows that are kept');
  }
  console.log(`     ${MORE} looks more: ${lines.join('; ')}`);
  await close(page);
});

test('going from page to page leaves nothing behind', async () => {
  const page = await open(1280, 'light');
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable');
  const tour = async (times) => {
    for (let n = 0; n < times; n += 1) {
      for (const name of Object.keys(READY)) {
        await page.evaluate((hash) => { location.hash = hash; }, `#/${name}`);
        await page.locator(READY[name]).first().waitFor();
      }
    }
  };
  await tour(2);
  const before = await held(page, devtools);
  await tour(8);
  const after = await held(page, devtools);
  check(after.nodes - before.nodes <= NODES_MAX, true, `nodes, ${before.nodes} and then ${after.nodes}`);
  check(after.listeners - before.listeners <= NODES_MAX, true, `listeners, ${before.listeners} and then ${after.listeners}`);
  check(after.heap - before.heap <= HEAP_BYTES_MAX, true, `bytes of the heap, ${before.heap} and then ${after.heap}`);
  await close(page);
});
