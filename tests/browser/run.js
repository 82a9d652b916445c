// Goal: the live page tells the truth, does no harm, and can be used by everybody. Method: a real
// browser, the real program, upstreams and traffic of which everything is known; each page at two
// widths in light and dark, with axe; pictures are kept for people to look at.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { axe, check, chromium, cleanUp, folder, pictures, proxy, runAll, send, stop, test, until, upstream } from './lib.js';

const PAGES = ['overview', 'services', 'requests', 'process', 'shipping'];
const RTL = '\u202e';
// What a hostile client sends: bytes as they are on the wire.
const HOSTILE = '<img/src=x/onerror=window.harmed=1>';
const LONG = `/${'a'.repeat(8000)}`;

const quick = await upstream('--name', 'quick');
const slow = await upstream('--name', 'slow', '--delay', '120ms');
const dir = folder();
const yaml = (ports, extra = '') => `
proxy:
  workers: 2
  listen: {address: 127.0.0.1, port: ${ports.proxy}}
  services:
    - {name: quick, domains: [quick.test, "*.quick.test"], hosts: ["${quick.address}"]}
    - {name: slow, domain: slow.test, hosts: ["${slow.address}"]}
    - name: broken
      domain: broken.test
      hosts: ["127.0.0.1:1"]
      outlier: {failures: 3, eject: 10m, eject_max: 10m}
admin: {listen: "127.0.0.1:${ports.admin}"${extra}}
telemetry:
  instance: browser-test
  journal: {path: "${join(dir, 'journal')}", size: 64MiB}
`;
let lb = await proxy(dir, yaml({ proxy: 0, admin: 0 }));
const ports = { proxy: lb.proxy.split(':')[1], admin: lb.admin.split(':')[1] };
const base = `http://${lb.admin}`;

// ---- the traffic, and what is known of it
const truth = { quick: 0, slow: 0, broken: 0, s200: 0, s302: 0, s404: 0, s503: 0 };
async function play(service, path, want, count, options) {
  for (let n = 0; n < count; n += 1) {
    check(await send(lb.proxy, `${service}.test`, path, options), want, `the status of ${path.slice(0, 80)}`);
    truth[service] += 1;
    truth[`s${want}`] = (truth[`s${want}`] ?? 0) + 1;
  }
}
await play('quick', '/ok', 200, 40);
await play('quick', '/missing?lb_status=404', 404, 6);
await play('quick', '/moved?lb_status=302', 302, 3);
await play('quick', '/fails?lb_status=503', 503, 5);
await play('slow', '/slow', 200, 7);
await play('quick', `/"onmouseover='window.harmed=1'?q='-window.harmed=1-'`, 200, 1, { headers: { 'user-agent': `<script>window.harmed=1</script>${HOSTILE}`, referer: 'javascript:window.harmed=1' } });
await play('quick', '/rtl', 200, 1, { headers: { 'user-agent': Buffer.from(`evil${RTL}gpj.exe`).toString('latin1') } });
await play('quick', LONG, 200, 1);
for (let n = 0; n < 4; n += 1) await send(lb.proxy, 'broken.test', '/gone');
truth.broken = 4;
const all = truth.quick + truth.slow + truth.broken;

// ---- the browser
const browser = await chromium.launch({ executablePath: process.env.LBPROXY_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });

/// A page that notes everything that a page should not do.
async function open(width, theme, path = '', at = base) {
  const context = await browser.newContext({ viewport: { width, height: width > 500 ? 860 : 800 }, colorScheme: theme, permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) page.complaints.push(message.text());
  });
  page.on('pageerror', (error) => page.complaints.push(`${error.message} ${error.stack}`));
  page.on('dialog', (dialog) => {
    page.complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(at) && !request.url().startsWith('data:')) page.complaints.push(`asked for ${request.url()}`);
  });
  await page.goto(`${at}/${path}`);
  return page;
}

/// Nothing went wrong on a page; closes it.
async function close(page) {
  check(await page.evaluate(() => window.harmed ?? null), null, 'harm done by a hostile string');
  check(page.complaints, [], 'complaints of the browser');
  await page.context().close();
}

/// Nothing that axe calls serious on what is shown.
async function accessible(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const serious = found.violations.filter((one) => ['serious', 'critical'].includes(one.impact));
  check(serious.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join('; ')}`), [], what);
}

/// The text of an element once it is what is wanted.
const shows = (page, selector, wanted) => until(`${selector} to show ${wanted}`, async () => {
  const text = (await page.locator(selector).first().innerText()).replaceAll('\u202f', ' ');
  if (wanted instanceof RegExp ? wanted.test(text) : text.includes(wanted)) return text;
  throw new Error(`${selector} shows ${JSON.stringify(text.slice(0, 300))}`);
});

/// Cells of a table's row by its head.
async function row(page, table, head) {
  const line = page.locator(`${table} tbody tr`).filter({ has: page.locator('th', { hasText: new RegExp(`^${head}$`) }) }).first();
  const cells = await line.locator('th, td').allInnerTexts();
  const names = await page.locator(`${table} thead th`).allInnerTexts();
  return Object.fromEntries(names.map((name, i) => [name.trim(), cells[i]?.replaceAll('\u202f', ' ').replace(/[▲■●] ?/g, '').trim()]));
}

/// Whatever the page shows once figures are there.
const READY = { overview: '.overview table tbody tr', services: '.services tr.head', requests: 'table.requests tbody tr', process: '.process .facts div', shipping: '.way li' };

test('every page is clean at two widths in light and dark', async () => {
  for (const [width, theme] of [[1280, 'light'], [1280, 'dark'], [390, 'light'], [390, 'dark']]) {
    const page = await open(width, theme);
    for (const name of PAGES) {
      // As people do: by a click.
      await page.locator(`#tabs a[data-page="${name}"]`).click();
      await page.locator(READY[name]).first().waitFor();
      check(await page.locator('#tabs a[aria-current="page"]').getAttribute('data-page'), name, 'the page that is marked');
      await accessible(page, `${name} at ${width} in ${theme}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      check(wide <= 0, true, `${name} at ${width}: nothing sticks out (${wide} px)`);
      await page.screenshot({ path: join(pictures, `${name}-${width}-${theme}.png`) });
    }
    await close(page);
  }
});

test('the overview shows what the traffic was', async () => {
  const page = await open(1280, 'light', '#/overview');
  await shows(page, '.overview .top .since', `${all} requests since`);
  await shows(page, '.tile:nth-child(1)', `${truth.s503 + truth.broken} of ${all} failed`);
  const quickRow = await row(page, '.overview', 'quick');
  check(quickRow['4xx'], `${((truth.s404 / truth.quick) * 100).toFixed(1)} %`, '4xx of quick');
  check(quickRow['5xx'], `${((truth.s503 / truth.quick) * 100).toFixed(1)} %`, '5xx of quick');
  const slowRow = await row(page, '.overview', 'slow');
  check(slowRow.Success, '100 %', 'success of slow');
  const [, value, unit] = /([\d.]+) (ms|s)/.exec(slowRow.p50);
  check(Number(value) * (unit === 's' ? 1000 : 1) >= 120, true, `p50 of the delayed endpoint is ${slowRow.p50}, at least its delay`);
  await shows(page, '.status', /broken: 100 % of requests failed/);
  await shows(page, '.reasons', 'no_endpoint');
  await shows(page, '.trust', /journaled\s+\d/);
  await shows(page, '.trust', 'not configured');
  // The same numbers from the API.
  const answer = await (await fetch(`${base}/api/v1/overview?range=5m`)).json();
  check(answer.totals.requests, all, 'requests by the API');
  check(answer.totals.classes, [0, 0, truth.s200, truth.s302, truth.s404, truth.s503 + truth.broken], 'classes by the API');
  await close(page);
});

test('services show states in words and counts of each endpoint', async () => {
  const page = await open(1280, 'light', '#/services');
  await shows(page, '.services tr.head', /quick/);
  const broken = page.locator('.services tbody tr', { hasText: '127.0.0.1:1' });
  await until('the broken endpoint to be ejected', async () => (await broken.innerText()).includes('■ ejected'));
  const own = await row(page, '.services', quick.address.replaceAll('.', '\\.'));
  check([own['4xx'], own['5xx'], own.Share], [String(truth.s404), String(truth.s503), '100 %'], 'the row of the quick endpoint');
  await page.locator('.services tr.head', { hasText: 'slow' }).click();
  await shows(page, '.detail', 'until the first byte');
  await page.keyboard.press('Escape');
  check(await page.locator('.detail').isHidden(), true, 'the detail after Esc');
  await page.keyboard.press('/');
  await page.keyboard.type('broken');
  await until('one service to be left', async () => (await page.locator('.services tr.head').count()) === 1);
  await close(page);
});

test('requests are filtered, explained and copied', async () => {
  const page = await open(1280, 'light', '#/requests');
  await until('every request to be listed', async () => (await page.locator('table.requests tbody tr').count()) === Math.min(all, 100));
  await page.keyboard.press('/');
  await page.keyboard.type('statu');
  await page.locator('.offers li').first().waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.keyboard.type('= 503 and service = quick');
  await page.keyboard.press('Enter');
  await until('exactly the failed requests', async () => (await page.locator('table.requests tbody tr').count()) === truth.s503);
  await page.locator('table.requests tbody tr').first().click();
  await shows(page, '.record .waterfall', /first byte/);
  await shows(page, '.record .fields', 'lbproxy.seq');
  await page.screenshot({ path: join(pictures, 'request-1280-light.png') });
  await page.getByRole('button', { name: 'Copy as Kibana query' }).click();
  const query = await until('the query', () => page.evaluate(() => navigator.clipboard.readText()));
  check(/^lbproxy\.instance : "[0-9a-f]{10}" and lbproxy\.epoch : 1 and lbproxy\.worker : \d+ and lbproxy\.seq : \d+$/.test(query), true, query);
  await page.getByRole('button', { name: 'Copy as curl' }).click();
  const command = await until('the command', async () => {
    const text = await page.evaluate(() => navigator.clipboard.readText());
    return text.startsWith('curl') && text;
  });
  const { stdout } = await promisify(execFile)('sh', ['-c', command]);
  check(stdout.startsWith('HTTP/1.1 503'), true, `what the copied command gets: ${stdout.slice(0, 60)}`);
  truth.s503 += 1;
  await until('the new request to appear by itself', async () => (await page.locator('table.requests tbody tr').count()) === truth.s503);
  await page.locator('h2').first().click();
  await page.keyboard.press('Escape');
  await page.keyboard.press('p');
  await play('quick', '/fails?lb_status=503', 503, 1);
  await shows(page, '.line .since', 'paused, 1 waiting');
  await page.keyboard.press('p');
  await until('it to go on', async () => (await page.locator('table.requests tbody tr').count()) === truth.s503);
  await close(page);
});

test('a wrong filter shows where the mistake is', async () => {
  const page = await open(1280, 'dark', '#/requests');
  await page.locator('#filter').fill('status = 5xx and durration > 1s');
  await page.locator('#filter').press('Enter');
  await shows(page, '.wrong', 'At character 18');
  check(await page.locator('.wrong mark').innerText(), 'durration', 'the part that is marked');
  await shows(page, '.wrong', 'did you mean');
  await page.screenshot({ path: join(pictures, 'wrong-filter-1280-dark.png') });
  page.complaints = page.complaints.filter((text) => !text.includes('400')); // the browser notes the answer
  await close(page);
});

test('hostile strings are shown and do nothing', async () => {
  const page = await open(390, 'light', `#/requests?${new URLSearchParams({ filter: 'agent ~ script or agent ~ evil or path ~ aaaaaaaa' })}`);
  await until('the three hostile requests', async () => (await page.locator('table.requests tbody tr').count()) === 3);
  const text = await page.locator('table.requests').innerText();
  check(text.includes(`"onmouseover='window.harmed=1'`), true, 'the markup is text');
  check(await page.locator('table.requests img, table.requests script').count(), 0, 'elements made of it');
  for (let n = 0; n < 3; n += 1) {
    await page.locator('table.requests tbody tr').nth(n).click();
    await page.locator('.record .fields').waitFor();
    check(await page.locator('.record img, .record script, .record a').count(), 0, 'elements made of it');
    await accessible(page, `hostile request ${n}`);
    const shown = await page.locator('.record').innerText();
    check(shown.includes(RTL), false, 'a mark that turns the direction');
    if (shown.includes('evil')) check(shown.includes('evil\\u202egpj.exe'), true, 'it is made visible');
    await page.screenshot({ path: join(pictures, `hostile-${n}-390-light.png`) });
    await page.locator('.record [aria-label="Close"]').click();
  }
  await close(page);
});

test('the files are few, small and bound by a policy', async () => {
  const page = await browser.newPage();
  const seen = [];
  page.on('response', (response) => seen.push(response));
  await page.goto(`${base}/`);
  await page.locator(READY.overview).first().waitFor();
  let bytes = 0;
  // An image that was seen before comes from the browser's memory, without the fields of an answer.
  for (const response of seen.filter((one) => !/\/api\/|\.svg$/.test(one.url()))) {
    const headers = await response.allHeaders();
    check(headers['content-encoding'], 'gzip', response.url());
    check(headers['content-security-policy'].includes("default-src 'none'"), true, response.url());
    check(headers['content-security-policy'].includes('unsafe'), false, response.url());
    bytes += (await response.request().sizes()).responseBodySize;
  }
  check(bytes > 0 && bytes < 100 * 1024, true, `${bytes} bytes compressed`);
  const paint = await page.evaluate(() => performance.getEntriesByType('paint').find((one) => one.name === 'first-contentful-paint')?.startTime);
  console.log(`     ${(bytes / 1024).toFixed(1)} KiB compressed, first paint after ${Math.round(paint)} ms`);
  await page.close();
});

test('charts zoom together, ranges and theme change, keys lead through the pages', async () => {
  const page = await open(1280, 'light');
  await page.locator('.u-over').nth(1).waitFor();
  const times = () => page.locator('.chart .plot').first().evaluate(() => document.querySelectorAll('canvas').length);
  check((await times()) >= 3, true, 'three charts');
  const box = await page.locator('.u-over').first().boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.9, box.y + 40, { steps: 5 });
  await page.mouse.up();
  await page.locator('#unzoom').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('#unzoom').waitFor({ state: 'hidden' });
  await page.keyboard.press(']');
  await until('the longer range', async () => (await page.locator('#ranges [aria-pressed="true"]').innerText()) === '15m');
  await page.keyboard.press('t');
  check(await page.locator('html').getAttribute('data-theme'), 'dark', 'the theme');
  for (const [i, name] of PAGES.entries()) {
    await page.keyboard.press(String(i + 1));
    await page.locator(READY[name]).first().waitFor();
  }
  await page.keyboard.press('?');
  check(await page.locator('#keys').isVisible(), true, 'the list of keys');
  await close(page);
});

test('a page that lost its server says so and comes back by itself', async () => {
  const page = await open(1280, 'light');
  await shows(page, '#link', 'live');
  await stop(lb.child, 'SIGKILL');
  await shows(page, '#link', /no connection|reconnecting/);
  lb = await proxy(dir, yaml(ports));
  await shows(page, '#link', 'live');
  page.complaints = page.complaints.filter((text) => !/ERR_|fetch/i.test(text)); // the browser notes lost connections
  await close(page);
});

test('with a token the page asks for it, and only the right one opens it', async () => {
  const own = folder();
  const guarded = await proxy(own, `
proxy:
  listen: {address: 127.0.0.1, port: 0}
  services: [{name: quick, domain: quick.test, hosts: ["${quick.address}"]}]
admin: {listen: "127.0.0.1:0", token: open-sesame}
telemetry: {instance: guarded, journal: {path: "${join(own, 'journal')}", size: 64MiB}}
`);
  const page = await open(1280, 'light', '', `http://${guarded.admin}`);
  await page.locator('#token').fill('wrong');
  await page.locator('#login button').click();
  await shows(page, '#login', 'not the one');
  await accessible(page, 'the login');
  await page.screenshot({ path: join(pictures, 'login-1280-light.png') });
  await page.locator('#token').fill('open-sesame');
  await page.locator('#login button').click();
  await shows(page, '#link', 'live');
  await shows(page, '#instance', 'guarded');
  page.complaints = page.complaints.filter((text) => !text.includes('401'));
  await close(page);
  await stop(guarded.child);
});

let failed = 1;
try {
  failed = await runAll();
} finally {
  await browser.close();
  await cleanUp();
}
process.exit(failed ? 1 : 0);
