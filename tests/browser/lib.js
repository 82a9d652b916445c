// What the browser tests share: the programs under test, a client, a small harness.

import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import http from 'node:http';

/// Longest wait for anything; only a broken program reaches it.
export const PATIENCE = 60_000;

const root = new URL('../..', import.meta.url).pathname;
const parts = process.env.LBPROXY_BROWSER;
if (!parts) throw new Error('LBPROXY_BROWSER is not set; run `make browser`');
const require = createRequire(join(parts, 'package.json'));
export const { chromium } = require('playwright-core');
export const axe = require('axe-core').source;

/// The program, as `make browser` built it.
export const program = process.env.LBPROXY ?? join(root, 'target/debug/lbproxy');
/// Where pictures go.
export const pictures = process.env.LBPROXY_SHOTS ?? join(root, 'target/browser');
mkdirSync(pictures, { recursive: true });

const running = new Set();
const folders = [];
// Also when a test file itself fails.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/// Ends what was started, in order.
export async function cleanUp() {
  await Promise.all([...running].map((one) => stop(one)));
}

/// Ends one program and waits for it; one that does not end is killed, and that is a failure.
export function stop(child, signal = 'SIGTERM') {
  if (!running.has(child)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${child.spawnargs.join(' ')} did not end on ${signal}`));
    }, PATIENCE);
    child.once('exit', () => {
      clearTimeout(late);
      resolve();
    });
    child.kill(signal);
  });
}

/// Starts a program and waits until `found` gives something for a line of its output.
function start(args, found) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, RUST_LOG: 'info' } });
  running.add(child);
  let log = '';
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${args[0]} did not start:\n${log}`)), PATIENCE);
    const take = (chunk) => {
      log = (log + chunk).slice(-200_000);
      const value = found(log);
      if (value) {
        clearTimeout(late);
        resolve({ child, value, log: () => log });
      }
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('exit', (code) => {
      running.delete(child);
      clearTimeout(late);
      reject(new Error(`${args[0]} ended with ${code}:\n${log}`));
    });
  });
}

/// A mock upstream; gives its address.
export async function upstream(...args) {
  const { child, value } = await start(['upstream', '--listen', '127.0.0.1:0', ...args], (log) => /http:\/\/([\d.:]+)/.exec(log)?.[1]);
  return { child, address: value };
}

/// A folder that goes away at the end.
export function folder() {
  const made = mkdtempSync(join(tmpdir(), 'lbproxy-browser-'));
  folders.push(made);
  return made;
}

/// A free port that the system gives nobody who asks for any, so that a program can have it twice.
export async function port() {
  const [first] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split('\t');
  return until('a free port', () => new Promise((resolve, reject) => {
    const number = Math.max(1024, Number(first) - 1 - Math.floor(Math.random() * 10_000));
    const server = createServer().once('error', reject).listen(number, '127.0.0.1', () => server.close(() => resolve(number)));
  }));
}

/// `lbproxy run` with this configuration in a folder.
export async function proxy(dir, yaml) {
  const file = join(dir, 'proxy.yaml');
  writeFileSync(file, yaml);
  const started = await start(['--log-format', 'json', 'run', '--drain-timeout', '2s', '--config', file], (log) => {
    const lines = log.split('\n').slice(0, -1).flatMap((line) => {
      try {
        return [JSON.parse(line).fields];
      } catch {
        return [];
      }
    });
    const listening = lines.find((one) => one?.message === 'listening');
    const admin = lines.find((one) => one?.message?.startsWith('admin:'));
    return listening && admin ? { proxy: listening.address, admin: admin.address } : null;
  });
  return { child: started.child, log: started.log, ...started.value };
}

/// `lbproxy demo`; gives its admin address.
export async function demo(...args) {
  const { child, value } = await start(['demo', '--port', '0', '--admin-port', '0', ...args], (log) => /page\s+http:\/\/([\d.:]+)/.exec(log)?.[1]);
  return { child, admin: value };
}

/// One request; gives its status, or 0 when the connection broke.
export function send(address, host, path, { method = 'GET', headers = {}, body } = {}) {
  const [hostname, port] = address.split(':');
  return new Promise((resolve) => {
    const request = http.request({ hostname, port, method, path, headers: { host, ...headers }, agent: false, timeout: PATIENCE }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
      response.on('error', () => resolve(0));
    });
    request.on('error', () => resolve(0));
    request.end(body);
  });
}

/// Waits until `check` gives something.
export async function until(what, check) {
  const end = Date.now() + PATIENCE;
  let last;
  for (;;) {
    try {
      const value = await check();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`waited in vain for ${what}${last ? `: ${last.message}` : ''}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const tests = [];

/// A test; run in the order of their declaration.
export function test(name, run) {
  tests.push({ name, run });
}

/// Runs all tests and prints their results in the form that `.ci/run` adds up.
export async function runAll() {
  let failed = 0;
  for (const { name, run } of tests) {
    try {
      await run();
      console.log(`test browser::${name.replaceAll(' ', '_')} ... ok`);
    } catch (error) {
      failed += 1;
      console.log(`test browser::${name.replaceAll(' ', '_')} ... FAILED\n${error.stack ?? error}`);
    }
  }
  console.log(`\ntest result: ${failed ? 'FAILED' : 'ok'}. ${tests.length - failed} passed; ${failed} failed`);
  return failed;
}

/// Says what is not as it should be.
export function check(is, want, what) {
  if (JSON.stringify(is) !== JSON.stringify(want)) throw new Error(`${what}: ${JSON.stringify(is)} is not ${JSON.stringify(want)}`);
}
