// Makes a checkout ready to run: dependencies, the compiled code, with --demo an etcd release, and with --binaries all
// that tests run on: etcd releases and an S3 server.
// Plain Node without dependencies, because it runs first in a fresh clone. Says nothing when there is nothing to do.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const isCi = !['', '0', 'false'].includes(process.env.CI ?? '');

function main(args) {
  checkNode();
  installDependencies();
  build();
  if (args.includes('--demo')) fetchReleases('demo');
  else if (args.includes('--binaries')) fetchReleases('tests');
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  fail(`Node ${process.versions.node} is too old: 20.19 or newer is needed`);
}

function installDependencies() {
  if (dependenciesAreInstalled()) return;
  say('installing dependencies (npm ci)');
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  const { status, signal, stderr } = spawnSync('npm', ['ci', ...quiet], { cwd: root, encoding: 'utf8' });
  if (status === 0) return;
  if (signal !== null) process.exit(130);
  const reason = (stderr ?? '').trim();
  // A lockfile written where the registry does not carry optional packages for other machines lacks their entries,
  // which npm ci refuses. npm install takes the same versions from it, checks them alike, and here changes no file.
  if (!/code EUSAGE/.test(reason)) fail(`the dependencies could not be installed:\n${reason.slice(0, 4000)}`);
  say('npm ci refuses the lockfile; installing with npm install --no-save');
  run('npm', ['install', '--no-save', ...quiet], 'the dependencies could not be installed');
}

/** True when everything in the lockfile that this machine can use is there in that version. */
function dependenciesAreInstalled() {
  const installed = readJson('node_modules/.package-lock.json')?.packages;
  const wanted = readJson('package-lock.json')?.packages;
  if (installed === undefined || wanted === undefined) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = installed[path];
    // Optional ones are programs for other machines.
    if (found === undefined) return entry.optional === true || entry.devOptional === true || entry.peer === true;
    return found.version === entry.version && found.integrity === entry.integrity;
  });
}

/** Compiles into a folder beside dist and swaps, so that removed files go and a failure or another run harms nothing. */
function build() {
  const stamp = join(root, 'dist', '.built');
  const wanted = sourceDigest();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say('compiling (tsc -p tsconfig.build.json)');
  const fresh = `.dist-${process.pid}`;
  const old = `.dist-${process.pid}-old`;
  try {
    const tsc = join('node_modules', 'typescript', 'bin', 'tsc');
    run(
      process.execPath,
      [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh, '--noEmitOnError'],
      'the code does not compile',
    );
    writeFileSync(join(root, fresh, '.built'), wanted);
    if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), join(root, old));
    renameSync(join(root, fresh), join(root, 'dist'));
  } catch (error) {
    // Another run put its own there in between, made of the same sources.
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(error.code)) throw error;
  } finally {
    for (const folder of [fresh, old]) rmSync(join(root, folder), { recursive: true, force: true });
  }
}

/** Changes when a source file or the compiler's settings are changed, added or removed. */
function sourceDigest() {
  const hash = createHash('sha256');
  const files = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const settings = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'].map((name) => join(root, name));
  for (const path of [...files, ...settings].toSorted((a, b) => (a < b ? -1 : 1))) {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${path}\n${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

function fetchReleases(purpose) {
  const wanted = readJson('test/support/releases.json');
  const isThere = ({ version }) => cacheFolders().some((dir) => existsSync(join(dir, 'etcd', version, 'source.json')));
  const { program, version } = wanted.s3;
  const hasS3 = cacheFolders().some((dir) => existsSync(join(dir, program, version, program)));
  const isReady = purpose === 'demo' ? wanted.demo.some(isThere) : hasS3 && Object.values(wanted.tests).every(isThere);
  if (isReady) return;
  const args = ['--import', 'tsx', 'test/support/fetch-binaries.ts', ...(purpose === 'demo' ? ['--demo'] : [])];
  const { status, signal } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status === 0) return;
  if (signal !== null || status === 130) process.exit(130);
  if (isCi) fail('a program that tests run on is missing, and in CI all of them are needed');
  say(purpose === 'demo' ? 'no release of etcd is at hand' : 'tests on what is missing will be skipped');
}

/** Where the project's code keeps releases; it decides itself which of these it can use. */
function cacheFolders() {
  const { QUORATE_CACHE: chosen, XDG_CACHE_HOME: caches } = process.env;
  if (chosen) return [chosen];
  const fallback = join(tmpdir(), `quorate-cache-${process.getuid?.() ?? 0}`);
  return [join(caches || join(homedir(), '.cache'), 'quorate'), fallback];
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function run(command, args, failure) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status === 0) return;
  if (signal !== null && error === undefined) process.exit(130);
  fail(error === undefined ? `${failure}: see the messages above` : `${failure}: ${error.message}`);
}

function say(line) {
  process.stdout.write(`ready: ${line}\n`);
}

/** Ends the process once all clean-up has been done. */
class ReadyError extends Error {}

function fail(message) {
  throw new ReadyError(message);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof ReadyError)) throw error;
  process.stderr.write(`ready: ${error.message}\n`);
  process.exitCode = 1;
}
