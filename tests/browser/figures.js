// Whether figures are those of the traffic, lead to the requests that they count, and are compared rightly.

import { join } from 'node:path';
import { check, pictures, test, until } from './lib.js';
import { accessible, all, base, close, open, quick, shown, shows, truth } from './world.js';

/// A page with the figures of the last hour: they hold all the traffic, however long the tests took so far.
async function whole(path) {
  const page = await open(1280, 'light', path);
  const chosen = page.locator('#ranges [aria-pressed="true"]');
  await until('the range of an hour', async () => {
    if (await chosen.textContent() === '1h') return true;
    await page.keyboard.press(']');
    return false;
  });
  return page;
}

test('the overview shows what the traffic was', async () => {
  const page = await whole('#/overview');
  await shows(page, '.overview .top .since', `${all()} requests since`);
  await shows(page, '.tile:nth-child(1)', `${truth.s503 + truth.broken} of ${all()} failed`);
  const part = (count) => `${((count / truth.quick) * 100).toFixed(1)} %`;
  await shown(page, '.overview', 'quick', { '4xx': part(truth.s404), '5xx': part(truth.s503) });
  const slowRow = await shown(page, '.overview', 'slow', { Success: '100 %', p50: /\d m?s$/ });
  const [, value, unit] = /([\d.]+) (ms|s)/.exec(slowRow.p50);
  check(Number(value) * (unit === 's' ? 1000 : 1) >= 120, true, `p50 of the delayed endpoint is ${slowRow.p50}, at least its delay`);
  await shows(page, '.top .status', /broken: 100 % of requests failed since \d\d:\d\d:\d\d, most of them connect_refused/);
  await shows(page, '.top .status.bad .mark', '■');
  await shows(page, '.also', /quick: \d[\d.]* % of requests failed .*, most of them status 503 at/);
  await shows(page, '.also', /127.0.0.1:\d of broken (is ejected|fails and is kept in rotation) since \d\d:\d\d:\d\d, and 1 more/);
  await shows(page, '.reasons', 'connect_refused');
  await shows(page, '.trust', /journaled\s+\d/);
  await shows(page, '.trust', 'not configured');
  // The same numbers from the API.
  const answer = await (await fetch(`${base}/api/v1/overview?range=1h`)).json();
  check(answer.totals.requests, all(), 'requests by the API');
  check(answer.totals.classes, [0, 0, truth.s200, truth.s302, truth.s404, truth.s503 + truth.broken], 'classes by the API');
  await close(page);
});

test('rates are over the time that was seen', async () => {
  const page = await whole('#/process');
  // As in the first minute: ten seconds of the process in a window that began long before it.
  const seen = async (route) => {
    const answer = await (await route.fetch()).json();
    await route.fulfill({ json: { ...answer, since_ms: answer.until_ms - 300_000, seen_s: 10 } });
  };
  await page.route('**/api/v1/overview*', seen);
  await page.goto(`${base}/#/overview`);
  await shows(page, '.overview .top .since', `${all()} requests since`);
  for (const [name, count] of [['quick', truth.quick], ['slow', truth.slow]]) {
    const rate = (await shown(page, '.overview', name, { Rate: /^[\d.]+\/s$/ })).Rate;
    check(Math.abs(Number(rate.replace('/s', '')) - count / 10) < 0.06, true, `the rate of ${name}: ${count} requests in 10 s, shown as ${rate}`);
  }
  await close(page);
});

test('services show states in words and counts of each endpoint', async () => {
  const page = await whole('#/services');
  await shows(page, '.services tr.head', /quick/);
  const broken = page.locator('.services tbody tr.ejected:not(.head)');
  await until('one of the broken endpoints to be ejected', async () => (await broken.innerText()).includes('■ ejected'));
  // States come with the first look at the counters, counts with the figures.
  await shown(page, '.services', quick.address.replaceAll('.', '\\.'), { '4xx': String(truth.s404), '5xx': String(truth.s503), Share: '100 %' });
  await shown(page, '.services', 'slow', { 'In flight': '0 / 64', Queue: '0' });
  await shown(page, '.services', 'quick', { Queue: '–' });
  await page.locator('.services tr.head', { hasText: 'slow' }).locator('td.state').click();
  await shows(page, '.detail', 'until the first byte');
  await page.keyboard.press('Escape');
  check(await page.locator('.detail').isHidden(), true, 'the detail after Esc');
  await page.keyboard.press('/');
  await page.keyboard.type('broken');
  await until('one service to be left', async () => (await page.locator('.services tr.head').count()) === 1);
  await close(page);
});

/// Follows a link, and gives how many requests the page says there are.
async function followed(page, link, what) {
  await until(`${what} to lead somewhere`, () => link.getAttribute('href'));
  await link.click();
  const text = await shows(page, '.line .since', /\d (match|in the journal)/);
  return Number(/^([\d ]+) (match|in the journal)/.exec(text)[1].replaceAll(' ', ''));
}

test('every figure leads to exactly the requests that it counts', async () => {
  const page = await whole();
  const tile = (n) => `.tile:nth-child(${n})`;
  const legend = (name) => page.locator('.legend a', { hasText: new RegExp(`^${name}$`) });
  const served = truth.s200 + truth.s302 + truth.s404;
  const cell = (table, head, n) => page.locator(`${table} tbody tr`).filter({ has: page.locator('th', { hasText: head }) }).first().locator('td').nth(n).locator('a');
  const overview = (head, n) => () => cell('.overview', head, n);
  const services = (head, n) => () => cell('.services', head, n);
  for (const [where, what, link, want] of [
    ['overview', 'the success', () => page.locator(`${tile(1)} strong a`), served],
    ['overview', 'the failures', () => page.locator(`${tile(1)} .detail a`), truth.s503 + truth.broken],
    ['overview', 'the rate', () => page.locator(`${tile(4)} strong a`), all()],
    ['overview', 'all of them', () => page.locator('.top .since a'), all()],
    ['overview', 'the sentence', () => page.locator('.top .status a'), truth.broken],
    ['overview', 'a sentence below it', () => page.locator('.also a', { hasText: 'quick' }), truth.s503],
    ['overview', 'a reason', () => page.locator('.reasons a', { hasText: 'connect_refused' }).first(), null],
    ['overview', '2xx in the chart', () => legend('2xx'), truth.s200],
    ['overview', '4xx in the chart', () => legend('4xx'), truth.s404],
    ['overview', '5xx in the chart', () => legend('5xx'), truth.s503 + truth.broken],
    ['overview', 'requests in the chart', () => page.locator('.chart a.follow').first(), all()],
    ['overview', 'the rate of quick', overview(/^quick$/, 1), truth.quick],
    ['overview', 'the failures of quick', overview(/^quick$/, 2), truth.s503],
    ['overview', 'the success of slow', overview(/^slow$/, 2), truth.slow],
    ['overview', '4xx of quick', overview(/^quick$/, 3), truth.s404],
    ['overview', '5xx of quick', overview(/^quick$/, 4), truth.s503],
    ['services', 'the share of quick', services(/^quick$/, 3), truth.quick],
    ['services', 'the errors of broken', services(/^broken$/, 6), truth.broken],
    ['services', '5xx of the quick endpoint', services(quick.address, 7), truth.s503],
    ['services', '4xx of the quick endpoint', services(quick.address, 8), truth.s404],
    ['services', 'the name of slow', () => page.locator('.services th.service a', { hasText: 'slow' }), truth.slow],
  ]) {
    await page.goto(`${base}/#/${where}`);
    // The figures have all the traffic before one of them is followed.
    await shows(page, '.top .since', `${all()} requests`);
    const found = await followed(page, await link(), what);
    if (want === null) check(found > 0, true, `${what} leads to some`);
    else check(found, want, `${what} leads to its requests`);
  }
  // A latency leads to the requests that took so long: one in a hundred, and in any case the slowest.
  await page.goto(`${base}/#/services`);
  const p99 = cell('.services', /^slow$/, 13);
  check(await followed(page, p99, 'p99 of slow') <= truth.slow, true, 'p99 leads to the slowest');
  check((await page.locator('#filter').inputValue()).includes('duration >= '), true, 'by their duration');
  // And from there to one of them.
  await page.goto(`${base}/#/requests?${new URLSearchParams({ filter: 'service = slow' })}`);
  await page.locator('table.requests tbody tr').first().click();
  await shows(page, '.record .waterfall', /first byte/);
  await close(page);
});

test('a point of a chart leads to the requests of its time', async () => {
  const page = await open(1280, 'light');
  const plot = page.locator('.chart .plot').first();
  await until('two points', async () => Number(await plot.getAttribute('aria-valuemax')) >= 1);
  await plot.focus();
  await page.keyboard.press('ArrowLeft');
  const link = page.locator('.chart a.follow').first();
  await until('the point to be chosen', async () => /requests of \d\d:\d\d:\d\d/.test(await link.innerText()));
  check((await plot.getAttribute('aria-valuetext')).includes('p99'), true, 'the point is told');
  await page.keyboard.press('Escape');
  check(await link.innerText(), 'requests', 'and let go');
  // The same with a mouse.
  const over = page.locator('.u-over').first();
  await until('the point to be chosen', async () => {
    await over.click({ position: { x: (await over.boundingBox()).width - 3, y: 40 } });
    return /requests of /.test(await link.innerText());
  });
  await link.click();
  await until('its filter', async () => /^time >= \S+Z and time < \S+Z$/.test(await page.locator('#filter').inputValue()));
  check(await page.locator('.wrong').isHidden(), true, 'the filter is one');
  await close(page);
});

test('figures stand beside those of the period before', async () => {
  const page = await whole();
  let before;
  const now = { requests: 600, success: 570, failure: 30, unknown: 0, response_bytes: 30_000, duration: { p50_us: 9_000, p95_us: 20_000, p99_us: 80_000 } };
  const change = async (route) => {
    const answer = await (await route.fetch()).json();
    const until_ms = 1_700_000_300_000;
    const times = { since_ms: until_ms, until_ms: until_ms + 300_000, now_ms: until_ms + 300_000, seen_s: 300 };
    const was = before && { since_ms: until_ms - before.seconds * 1000, until_ms, is_whole: true, ...before };
    await route.fulfill({ json: {
      ...answer, ...times, before: was ?? null,
      ...(answer.totals ? { totals: { ...answer.totals, ...now } } : {}),
      ...(answer.rows ? { rows: answer.rows.map((one) => (one.service === 'quick' ? { ...one, ...now, before: was } : one)) } : {}),
    } });
  };
  await page.route('**/api/v1/overview*', change);
  await page.route('**/api/v1/services*', change);
  const tile = (n) => `.tile:nth-child(${n}) .before`;
  const levels = { success: 'warn', latency: 'hurt' };
  const none = { levels: { success: 'ok', latency: 'ok' } };
  const calm = { success: 596, failure: 4, levels, duration: { p99_us: 20_000 }, response_bytes: 60_000 };
  for (const [name, then, since, failures, latency, rate, bandwidth] of [
    ['worse', { seconds: 300, requests: 300, ...calm }, /compared with \d\d:\d\d:\d\d – \d\d:\d\d:\d\d$/, '▲ 4.3 points more failures than the 5 min before', '▲ 300 % slower than the 5 min before', '▲ 100 % more than the 5 min before', '▼ 50 % less than the 5 min before'],
    ['a part, by rate', { seconds: 120, requests: 240, ...calm, is_whole: false }, 'which is all that is known before', 'more failures than the 2 min before', 'slower than the 2 min before', '≈ as much as the 2 min before', '▼ 80 % less'],
    ['better', { seconds: 300, requests: 1200, success: 960, failure: 240, duration: { p99_us: 160_000 }, response_bytes: 30_000, ...none }, 'compared', '▼ 15.0 points fewer failures', '▼ 50 % faster', '▼ 50 % less', '≈ as much'],
    ['few', { seconds: 300, requests: 3, ...calm, levels: { success: 'unknown', latency: 'unknown' } }, 'compared', 'too few requests to compare', 'too few requests to compare', 'more than', 'less than'],
    ['unknown', null, 'no period before it is known, so nothing is compared', '', '', '', ''],
  ]) {
    before = then;
    await page.goto(`${base}/#/services`);
    await page.goto(`${base}/#/overview`);
    await shows(page, '.overview .top .since', since);
    for (const [n, want] of [[1, failures], [2, latency], [4, rate], [5, bandwidth]]) {
      if (want) await shows(page, tile(n), want);
      else check(await page.locator(tile(n)).innerText(), '', `${name}: nothing beside figure ${n}`);
    }
    const colour = async (n) => page.locator(tile(n)).getAttribute('class');
    check([await colour(1), await colour(2), await colour(4)], name === 'worse' ? ['before warn', 'before bad', 'before'] : [await colour(1), await colour(2), 'before'], `${name}: only what hurts has a colour`);
    if (name === 'worse') {
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 860 });
        await accessible(page, `an overview beside the period before at ${width}`);
        await page.screenshot({ path: join(pictures, `before-${width}-light.png`) });
      }
      await page.setViewportSize({ width: 1280, height: 860 });
    }
    if (name === 'better') check([await colour(1), await colour(2)], ['before', 'before'], 'better is grey');
  }
  before = { seconds: 300, requests: 300, ...calm };
  await page.goto(`${base}/#/services?open=quick`);
  await shows(page, '.services tr.head', /▲ 4.3 pt.*▲ 300 %/s);
  await shows(page, '.detail .splits', /▲ 300 % slower than the 5 min before\s+▲ 4.3 points more failures/);
  await accessible(page, 'services beside the period before');
  await page.screenshot({ path: join(pictures, 'before-services-1280-light.png') });
  await close(page);
});
