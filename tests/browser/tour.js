// Takes the pictures of docs/tour.md: the demo, as it is after some minutes.

import { join } from 'node:path';
import { statSync } from 'node:fs';
import { chromium, cleanUp, demo, until } from './lib.js';

// So long the demo plays before the first picture: several restarts of its endpoint.
const PLAYED_S = Number(process.env.LBPROXY_TOUR_SECONDS ?? 310);
const BYTES_MAX = 150 * 1024;
const folder = new URL('../../docs/img', import.meta.url).pathname;

const { admin } = await demo('--rate', '200');
const browser = await chromium.launch({ executablePath: process.env.LBPROXY_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });

async function open(hash, { width = 1180, height = 760, theme = 'light' } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme });
  const page = await context.newPage();
  await page.goto(`http://${admin}/${hash}`);
  return page;
}

async function picture(page, name, options = {}) {
  const path = join(folder, `${name}.png`);
  await page.screenshot({ path, ...options });
  const { size } = statSync(path);
  console.log(`${path}  ${Math.round(size / 1024)} KiB`);
  if (size > BYTES_MAX) throw new Error(`${name}.png is larger than ${BYTES_MAX} bytes`);
  await page.context().close();
}

try {
  const first = await open('#/overview');
  console.log(`the demo plays for ${PLAYED_S} s`);
  const end = Date.now() + PLAYED_S * 1000;
  await new Promise((resolve) => setTimeout(resolve, end - Date.now()));
  await picture(first, 'overview');

  const services = await open('#/services');
  await services.locator('.services tr.head').first().waitFor();
  // An endpoint that is away is what this page is for.
  await until('an endpoint to be ejected', async () => (await services.locator('td.state.ejected').count()) > 0);
  await services.locator('.services tr.head td.state').first().click();
  await picture(services, 'services', { clip: { x: 0, y: 0, width: 1180, height: 620 } });

  const requests = await open(`#/requests?${new URLSearchParams({ filter: 'attempts > 1' })}`);
  const retried = requests.locator('table.requests tbody tr').first();
  await retried.waitFor();
  await retried.click();
  await requests.locator('.record .waterfall').waitFor();
  await picture(requests, 'requests', { clip: { x: 0, y: 0, width: 1180, height: 560 } });

  const slo = await open('#/slo?objective=availability');
  await slo.locator('.objective .u-over').waitFor();
  await slo.locator('.alerts tbody tr').first().waitFor();
  await picture(slo, 'slo');

  const dark = await open('#/overview', { theme: 'dark' });
  await dark.locator('.u-over').nth(2).waitFor();
  await dark.locator('.overview table tbody tr').first().waitFor();
  await picture(dark, 'overview-dark');

  const phone = await open('#/services', { width: 390, height: 760 });
  await phone.locator('.services tr.head').first().waitFor();
  await picture(phone, 'phone');

  const process_ = await open('#/process', { height: 640 });
  await process_.locator('.u-over').nth(3).waitFor();
  await picture(process_, 'process');
} finally {
  await browser.close();
  await cleanUp();
}
