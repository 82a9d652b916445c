// The page Requests and one request: filters, hostile strings, ways on to other tools.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { check, folder, pictures, proxy, send, stop, test, until } from './lib.js';
import { accessible, all, base, close, open, play, quick, RTL, shows, truth } from './world.js';

test('requests are filtered, explained and copied', async () => {
  const page = await open(1280, 'light', '#/requests');
  await until('every request to be listed', async () => (await page.locator('table.requests tbody tr').count()) === Math.min(all(), 100));
  await page.keyboard.press('/');
  await page.keyboard.type('statu');
  await page.locator('.offers li').first().waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.keyboard.type('= 503 and service = quick');
  await page.keyboard.press('Enter');
  await until('exactly the failed requests', async () => (await page.locator('table.requests tbody tr').count()) === truth.s503);
  check((await page.locator('table.requests tbody td.bad').allInnerTexts()).every((text) => text === 'failed'), true, 'every mark has a word');
  await page.locator('table.requests tbody tr').first().click();
  await shows(page, '.record .waterfall', /first byte/);
  await shows(page, '.record .fields', 'lbproxy.seq');
  await page.screenshot({ path: join(pictures, 'request-1280-light.png') });
  await page.getByRole('button', { name: 'Copy as Kibana query' }).click();
  // The clipboard may hold what was copied before.
  const copied = (start) => until(`${start}… on the clipboard`, async () => {
    const text = await page.evaluate(() => navigator.clipboard.readText());
    return text.startsWith(start) && text;
  });
  const query = await copied('lbproxy.instance');
  check(/^lbproxy\.instance : "[0-9a-f]{10}" and lbproxy\.epoch : 1 and lbproxy\.worker : \d+ and lbproxy\.seq : \d+$/.test(query), true, query);
  await page.getByRole('button', { name: 'Copy as curl' }).click();
  const command = await copied('curl');
  const { stdout } = await promisify(execFile)('sh', ['-c', command]);
  check(stdout.startsWith('HTTP/1.1 503'), true, `what the copied command gets: ${stdout.slice(0, 60)}`);
  truth.quick += 1;
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
  await close(page, /400/);
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

// Whole, wherever the stream was cut into pieces.
const FOUND = /"found":(\d+)[,}]/;

test('filters that the page makes say no more than what they are made of', async () => {
  const page = await open(1280, 'light');
  for (const [name, text] of [
    ['a name', 'shop'],
    ['marks of the language', '" or status = 200 or service = "'],
    ['a backslash at the end', 'shop\\'],
    ['a star', 'sh*p'],
    ['parentheses and words', 'a) or (not b'],
    ['lines and marks of direction', `a\n${RTL}b`],
  ]) {
    const filter = await page.evaluate(async (value) => {
      const { all, between, is } = await import('/filter.js');
      return all(is('service', value), between(1_700_000_000_000, Date.now()));
    }, text);
    const abort = new AbortController();
    const answer = await fetch(`${base}/api/v1/requests?${new URLSearchParams({ filter, last: '5' })}`, { signal: abort.signal });
    check(answer.status, 200, `${name}: ${filter}`);
    let seen = '';
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      seen += chunk;
      if (FOUND.test(seen)) break;
    }
    abort.abort();
    check(FOUND.exec(seen)?.[1], '0', `${name} finds nothing of others`);
  }
  await close(page);
});

test('a request leads to its trace and to its record in Discover', async () => {
  const own = folder();
  const shipping = await proxy(own, `
proxy:
  listen: {address: 127.0.0.1, port: 0}
  services: [{name: quick, domain: quick.test, hosts: ["${quick.address}"]}]
admin: {listen: "127.0.0.1:0"}
telemetry:
  instance: leading
  journal: {path: "${join(own, 'journal')}", size: 64MiB}
  elasticsearch: {urls: ["http://127.0.0.1:1"], dashboards: {url: "http://boards.test:5601/base"}}
`);
  const trace = '0af7651916cd43dd8448eb211c80319c';
  check(await send(shipping.proxy, 'quick.test', "/it's!", { headers: { traceparent: `00-${trace}-b7ad6b7169203331-01` } }), 200, 'the request');
  const page = await open(1280, 'light', '#/requests', `http://${shipping.admin}`);
  await page.locator('table.requests tbody tr').first().click();
  await shows(page, '.record .trace', trace);
  await page.getByRole('button', { name: 'Copy trace id' }).click();
  await until('the trace id', async () => (await page.evaluate(() => navigator.clipboard.readText())) === trace);
  const link = page.getByRole('link', { name: 'Open in Discover' });
  check(await link.getAttribute('rel'), 'noopener noreferrer', 'the other site learns nothing');
  const href = await link.getAttribute('href');
  const shape = /^http:\/\/boards\.test:5601\/base\/app\/discover#\/\?_g=\(time:\(from:'(.+?)',to:'(.+?)'\)\)&_a=\(index:'logs-lbproxy\.access-\*',query:\(language:kuery,query:'(.+)'\)\)$/;
  const [, from, to, query] = shape.exec(decodeURIComponent(href)) ?? [href];
  check(Date.parse(from) < Date.now() && Date.parse(to) > Date.now() - 60_000, true, `the time around it: ${from} to ${to}`);
  check(/^lbproxy\.instance : "[0-9a-f]{10}" and lbproxy\.epoch : \d+ and lbproxy\.worker : \d+ and lbproxy\.seq : \d+$/.test(query ?? ''), true, `the record and no other: ${query}`);
  await accessible(page, 'a request with ways on');
  await page.screenshot({ path: join(pictures, 'discover-1280-light.png') });
  await close(page);
  await stop(shipping.child, 'SIGKILL');
});
