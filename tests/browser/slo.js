// The page SLO and the tile of budgets: what was promised, what happened, and each state of an alert.

import { join } from 'node:path';
import { check, folder, pictures, proxy, stop, test, until } from './lib.js';
import { accessible, all, base, close, open, play, quick, RTL, shown, shows, truth } from './world.js';

const bad = () => truth.s503 + truth.broken;

test('objectives show what happened to the traffic', async () => {
  await play('quick', '/ok', 200, 1);
  const page = await open(1280, 'light', '#/slo');
  await shows(page, '.slo .top .since', /evaluated at \d\d:\d\d:\d\d, every 10 s/);
  await shown(page, '.objectives', 'Availability\\s*', { Target: '99.9 %, 30 d', State: /^page (pending|fires, \d+ (s|min))/, Exhausted: 'spent' });
  await page.locator('.slo tbody tr').filter({ hasText: 'Availability' }).first().focus();
  await page.keyboard.press('Enter');
  await shows(page, '.objective .facts', `${bad()} of ${all()} events bad`);
  await shows(page, '.objective .facts', 'stream = access and outcome != unknown');
  const plot = page.locator('.objective .plot');
  await until('the budget over time', async () => Number(await plot.getAttribute('aria-valuemax')) >= 1);
  // The fastest window: it burns, and the alert that fires is told.
  await shows(page, '.slo .top .status.bad', /^.?\s*Availability: page fires since \d\d:\d\d:\d\d/);
  await shows(page, '.objective tbody tr', /page\s+1 h and 5 min\s+14.4×.*burns too fast/s);
  await shows(page, '.alerts tbody tr', /page\s+Availability\s+■?\s*fires/);
  await shows(page, '.alerts tbody tr', `${bad()} of ${all()} events bad`);
  // From there to the requests.
  await page.locator('.objective .facts a', { hasText: 'bad requests of the last hour' }).click();
  const found = await shows(page, '.line .since', /\d (match|in the journal)/);
  check(Number(/^([\d ]+) match/.exec(found)[1].replaceAll(' ', '')), bad(), 'bad requests are those that were counted');
  await page.goto(`${base}/#/overview`);
  await shows(page, '.tile:nth-child(3)', /Error budget\s+spent [\d.]+×/);
  await shows(page, '.tile:nth-child(3)', 'Availability');
  check(await page.locator('.tile:nth-child(3)').getAttribute('class'), 'tile bad', 'the colour of the tile');
  await page.locator('.tile:nth-child(3) strong a').click();
  await page.locator('.objective').waitFor();
  check(await page.locator('.slo tr.open').count(), 1, 'the tile leads to its objective');
  await close(page);
});

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
const evil = `<img src=x onerror=window.harmed=1>${RTL}`;

/// An objective as the API tells it.
const objective = (name, own = {}) => ({
  name, title: name, description: `What ${name} means.`, service: 'shop', owner: null, runbook: null, dashboard: null, target_ppm: 999_000, period: 'rolling',
  period_s: 30 * 86_400, utc_offset_min: null, valid: 'stream = access and outcome != unknown', good: 'outcome = success', bound_us: null, group_by: [],
  min_total: 1, min_bad: 5, no_data: null, ...own,
});
const window = (severity, long_s, factor, long, is_active = false) => ({ severity, long_s, short_s: long_s / 12, factor, long, short: long, is_active });
/// A series of it.
const series = (name, own = {}) => ({
  objective: name, title: name, group: {}, level: 'ok', state: 'inactive', alert: null, since_ms: null, good_5m: 0.99987, valid: 1_000_000, bad: 127, budget_left: 0.873,
  exhausted_ms: null, burn: { '5m': 0.1, '30m': 0.2, '1h': 0.4, '2h': 0.4, '6h': 0.6, '1d': 0.7, '3d': 0.8 },
  windows: [window('page', 3600, 14.4, 0.4), window('page', 21_600, 6, 0.6), window('ticket', 86_400, 3, 0.7), window('ticket', 259_200, 1, 0.8)], ...own,
});
const burning = { burn: 31, factor: 14.4, long_s: 3600, short_s: 300, valid: 70_000, bad: 2_170 };
const answer = () => ({
  now_ms: NOW, evaluated_ms: NOW - 3_000, ended_max: 256,
  objectives: [
    objective('calm'), objective('paging', { runbook: 'https://wiki.example.com/paging', dashboard: 'javascript:window.harmed=1', owner: 'team-shop', bound_us: 300_000 }),
    objective('ticketing', { period: 'month', utc_offset_min: 330 }), objective('pending'), objective('overspent'), objective('idle', { group_by: ['service'] }), objective('each'),
  ],
  series: [
    series('calm'),
    series('paging', { level: 'hurt', state: 'firing', alert: 'page', since_ms: NOW - 12 * MINUTE, good_5m: 0.97, budget_left: 0.21, exhausted_ms: NOW + 5 * 3600e3, burn: { '1h': 31, '6h': 5.2, '3d': 0.9 }, windows: [window('page', 3600, 14.4, 31, true), window('page', 21_600, 6, 5.2)] }),
    series('ticketing', { level: 'warn', state: 'firing', alert: 'ticket', since_ms: NOW - 30 * 3600e3, budget_left: 0.4, windows: [window('ticket', 259_200, 1, 1.3, true)], burn: { '1h': 1.2, '6h': 1.3, '3d': 1.3 } }),
    series('pending', { level: 'note', state: 'pending', alert: 'page' }),
    series('overspent', { level: 'warn', budget_left: -0.35, bad: 1_350 }),
    series('each', { group: { service: evil, endpoint: '10.0.0.1:80' }, title: `each ${evil}`, windows: [] }),
    series('each', { group: { service: 'quiet', endpoint: '10.0.0.2:80' }, valid: 0, bad: 0, budget_left: 1, good_5m: null, level: 'unknown', burn: {} }),
  ],
  alerts: [
    { objective: 'paging', title: 'paging', group: {}, alert: 'page', since_ms: NOW - 12 * MINUTE, until_ms: null, reason: burning },
    { objective: 'ticketing', title: 'ticketing', group: {}, alert: 'ticket', since_ms: NOW - 30 * 3600e3, until_ms: null, reason: { ...burning, burn: 1.3, factor: 1, long_s: 259_200, short_s: 21_600 } },
    { objective: 'calm', title: 'calm', group: {}, alert: 'no_data', since_ms: NOW - 50 * 3600e3, until_ms: NOW - 49 * 3600e3, reason: { missing: 'heartbeat', lasted_s: 3600 } },
  ],
});
const past = () => {
  const times = Array.from({ length: 120 }, (_, i) => NOW - (119 - i) * 6 * 3600e3);
  return { time_ms: times, left: times.map((_, i) => (i < 60 ? 1 - i * 0.002 : 0.5 - (i - 60) * 0.0049)) };
};

/// The page with these answers; the clock is theirs.
async function told(width, theme, change = (one) => one, hash = '#/slo') {
  const page = await open(width, theme, '#/shipping');
  await page.route('**/api/v1/live', (route) => route.abort());
  await page.clock.setFixedTime(NOW);
  await page.route('**/api/v1/slo', (route) => route.fulfill({ json: change(answer()) }));
  await page.route('**/api/v1/slo/budget*', (route) => route.fulfill({ json: past() }));
  await page.goto(`${base}/${hash}`);
  await page.reload();
  return page;
}
// What a browser notes of a stream that does not come.
const CUT = /ERR_FAILED/;

test('each state of an objective has its words, and its colour only where it hurts', async () => {
  const page = await told(1280, 'light');
  await shows(page, '.slo .top .status.bad', 'paging: page fires since');
  await shows(page, '.slo .top .status', 'and 1 more.');
  for (const [head, cells] of [
    ['calm', { Target: '99.9 %, 30 d', Now: '99.98 %', 'Budget left': '87.3 %', 'Burn 1 h': '0.40×', 'Burn 3 d': '0.80×', State: 'ok', Exhausted: '–' }],
    ['paging', { Now: '97.0 %', 'Burn 1 h': '31.0×', State: 'page fires, 12 min', Exhausted: 'in 5 h' }],
    ['ticketing', { Target: '99.9 %, calendar month (UTC+05:30)', State: 'ticket fires, 30 h' }],
    ['pending', { State: 'page pending' }],
    ['overspent', { 'Budget left': '−35.0 %', State: 'budget spent', Exhausted: 'spent' }],
    ['idle', { Now: '–', 'Budget left': '–', State: 'no events yet' }],
    ['each quiet · 10.0.0.2:80', { 'Budget left': '–', State: 'no events yet' }],
  ]) {
    await shown(page, '.objectives', `${head}\\s*`, cells);
  }
  const of = (name) => page.locator('.objectives tbody tr').filter({ has: page.locator('th', { hasText: name }) });
  check(await of('paging').locator('td.bad').count(), 2, 'the burn rate and the state that page are red');
  check(await of('ticketing').locator('td.warn').count(), 2, 'those of a ticket are amber');
  check(await of('calm').locator('td.warn, td.bad').count(), 0, 'what is calm has no colour');
  const order = await page.locator('.objectives tbody th').allInnerTexts();
  check(order.map((name) => name.trim()).slice(0, 4), ['paging', 'overspent', 'ticketing', 'pending'], 'trouble first');
  await shows(page, '.alerts', /no data\s+calm\s+over.*1 h\s+no event for 1 h, and no heartbeat/s);
  check(await page.locator('.alerts tbody tr').count(), 3, 'every alert');
  await close(page, CUT);
});

test('an objective opens and closes by keyboard, with its budget over time', async () => {
  for (const [width, theme] of [[1280, 'light'], [1280, 'dark'], [390, 'light'], [390, 'dark']]) {
    const page = await told(width, theme);
    const row = page.locator('.slo tbody tr').first();
    await row.focus();
    await page.keyboard.press('Enter');
    await shows(page, '.objective h2', 'paging');
    await shows(page, '.objective .facts', '99.9 % within 300 ms over 30 d');
    const plot = page.locator('.objective .plot');
    await until('the budget over time', async () => (await plot.getAttribute('aria-valuemax')) === '119');
    check(/left 2\d\.\d %/.test((await plot.getAttribute('aria-valuetext')).replaceAll('\u202f', ' ')), true, 'its last point is told');
    await accessible(page, `an objective at ${width} in ${theme}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    check(wide <= 0, true, `nothing sticks out at ${width} (${wide} px)`);
    await page.screenshot({ path: join(pictures, `slo-open-${width}-${theme}.png`), fullPage: true });
    check(await page.locator('.alerts tbody tr').count(), 1, 'alerts of this objective alone');
    check(await page.locator('.objective .facts a', { hasText: 'wiki' }).getAttribute('rel'), 'noopener noreferrer', 'the runbook learns nothing');
    check(await page.locator('a[href^="javascript"]').count(), 0, 'no link that runs anything');
    await page.keyboard.press('Escape');
    await until('the detail to go', async () => (await page.locator('.objective').count()) === 0);
    check(await page.locator('.alerts tbody tr').count(), 3, 'alerts of all objectives again');
    await close(page, CUT);
  }
});

test('names of others do nothing on the page of objectives', async () => {
  const words = new URLSearchParams({ objective: 'each', service: evil, endpoint: '10.0.0.1:80' });
  const page = await told(390, 'light', undefined, `#/slo?${words}`);
  await shows(page, '.objective', '<img src=x onerror=window.harmed=1>\\u202e');
  await shows(page, '.objective', 'No windows: this objective has a budget and no alerts.');
  check(await page.locator('.slo img, .slo script').count(), 0, 'elements made of it');
  check((await page.locator('.slo').innerText()).includes(RTL), false, 'a mark that turns the direction');
  await close(page, CUT);
});

test('no objectives, no evaluation and no answer are told in their own words', async () => {
  const own = folder();
  const without = await proxy(own, `
proxy:
  listen: {address: 127.0.0.1, port: 0}
  services: [{name: quick, domain: quick.test, hosts: ["${quick.address}"]}]
admin: {listen: "127.0.0.1:0"}
slo: {files: []}
telemetry: {instance: none, journal: {path: "${join(own, 'journal')}", size: 64MiB}}
`);
  const none = await open(1280, 'light', '#/slo', `http://${without.admin}`);
  await shows(none, '.slo .notice', /Not configured: there is no objective.*slo.files/);
  await accessible(none, 'objectives that are not configured');
  await none.screenshot({ path: join(pictures, 'slo-off-1280-light.png') });
  await none.goto(`http://${without.admin}/#/overview`);
  await shows(none, '.tile:nth-child(3)', 'no objective is configured');
  await close(none, /404/);
  await stop(without.child, 'SIGKILL');
  for (const [name, change, want] of [
    ['before the first evaluation', (one) => ({ ...one, evaluated_ms: null, series: [], alerts: [] }), 'No figures yet: the first evaluation comes within ten seconds'],
    ['a late one', (one) => ({ ...one, evaluated_ms: NOW - 90_000 }), 'No evaluation for 1 min'],
  ]) {
    const page = await told(1280, 'light', change);
    await shows(page, '.slo .notice:not([hidden])', want);
    if (name === 'before the first evaluation') {
      await shows(page, '.alerts', 'No alert has fired.');
      await shows(page, '.slo .top .status', 'No events yet');
    }
    await accessible(page, name);
    await close(page, CUT);
  }
  const page = await told(1280, 'light');
  await shows(page, '.slo tbody', 'paging');
  await page.unroute('**/api/v1/slo/budget*');
  await page.route('**/api/v1/slo/budget*', (route) => route.fulfill({ status: 503, json: { problem: 'the evaluation has no time to answer', cure: '' } }));
  await page.locator('.slo tbody tr').first().click();
  await shows(page, '.objective .notice', 'No figures: the evaluation has no time to answer');
  await close(page, /ERR_FAILED|503/);
});
