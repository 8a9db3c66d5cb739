import { systemClock } from '../base/clock.ts';
import { defaultBinarySettings } from './binaries.ts';
import { startCaretaker, stopCommand } from './demo/caretaker.ts';
import { chapters } from './demo/chapters.ts';
import { ControllerLog } from './demo/controller-log.ts';
import { makeDemoFolder, removeDemoFolder } from './demo/demo-folder.ts';
import { fleetProcesses, runningProgram } from './demo/fleet-processes.ts';
import { Lookout } from './demo/lookout.ts';
import { LoopbackFleet } from './demo/loopback-fleet.ts';
import { readyRelease } from './demo/release.ts';
import { gapText, Stage, secondsText } from './demo/stage.ts';
import { type ChapterResult, chapterTimeoutMs, type Tour, unexpected } from './demo/tour.ts';
import { exitCodeOf, exitCodes } from './exit-codes.ts';
import { stopSignal } from './stop-signal.ts';
import { errorText, type Terminal } from './terminal.ts';

export interface DemoOptions {
  /** Leaves everything running. */
  readonly keep?: boolean;
  /** etcd release; default the best at hand. */
  readonly version?: string;
}

/**
 * `quorate demo`: a fleet of real processes in a temp folder, and commits made before the reader's eyes.
 * Ends with 0 only when every chapter went as it should and every acknowledged key was read back.
 * Whatever happens, nothing is left behind: not after Ctrl-C, and not when this process is killed (a
 * caretaker process notices that, see `demo/stop.ts`); only with `keep` everything stays.
 */
export async function demoCommand(options: DemoOptions, terminal: Terminal): Promise<number> {
  const signal = stopSignal();
  const stage = new Stage(terminal);
  const clock = systemClock;
  const program = runningProgram();
  const settings = await defaultBinarySettings(process.env);
  const progress = (line: string): void => stage.say(line, 2);
  const version = await readyRelease({ settings, clock, version: options.version, progress, signal });
  const folder = await makeDemoFolder();
  const caretaker = await startCaretaker(program, folder);
  let code: number = exitCodes.error;
  try {
    const fleet = await LoopbackFleet.make({ folder, version, program, binaries: settings });
    stage.say(`${stage.palette.bold('Quorate demo')}: five hosts on this machine, one Git repository, etcd ${version}`);
    stage.say(`Everything is below ${folder} and real: agents, controller, etcd, TLS, Git.`);
    await perform(fleet, stage, terminal.hasColor, signal);
    code = exitCodes.done;
  } catch (error) {
    stage.rest();
    if (signal.aborted) stage.say('\nInterrupted.');
    else {
      terminal.err(`\n${errorText(error)}`);
      code = exitCodeOf(error);
    }
  }
  try {
    if (options.keep === true && !signal.aborted) stage.print(playOn(folder, program));
    else await cleanUp(folder, stage);
  } finally {
    stage.rest();
    await caretaker.dismiss();
  }
  return code;
}

async function cleanUp(folder: string, stage: Stage): Promise<void> {
  stage.doing('stopping controller, agents and etcd');
  const { length: count } = await fleetProcesses(folder);
  await removeDemoFolder(folder, systemClock);
  stage.rest();
  stage.say(`Stopped ${count} processes and removed ${folder}.`);
}

async function perform(fleet: LoopbackFleet, stage: Stage, hasColor: boolean, signal: AbortSignal): Promise<void> {
  stage.doing('starting five agents and a controller');
  await fleet.startAgents();
  await fleet.startController();
  const lookout = await Lookout.open(fleet);
  const log = await ControllerLog.open(fleet.logFile('controller'));
  const tour: Tour = { fleet, lookout, log, stage, hasColor, signal };
  try {
    await lookout.waitForAgents(chapterTimeoutMs, signal);
    await lookout.until('the controller to follow the repository', chapterTimeoutMs, signal, async () =>
      (await log.next()).find((entry) => entry.message === 'new commit'),
    );
    stage.rest();
    const results: [string, ChapterResult][] = [];
    for (const [index, { title, intro, play }] of chapters.entries()) {
      stage.heading(`${index + 1}. ${title}`);
      stage.say(intro, 2);
      results.push([title, await play(tour)]);
    }
    await finish(tour, results);
  } finally {
    stage.rest();
    await tour.writer?.close();
    await log.close();
    await lookout.close();
  }
}

async function finish({ writer, stage, signal }: Tour, results: readonly [string, ChapterResult][]): Promise<void> {
  if (writer === undefined) throw unexpected('count keys', 'nobody wrote any');
  stage.doing('reading every key back');
  await writer.stop();
  const keys = await writer.readBack(signal);
  stage.rest();
  stage.heading('Summary');
  const row = (title: string, took: string, gap: string): string =>
    `${title.padEnd(34)}${took.padStart(10)}${gap.padStart(20)}`;
  stage.say(stage.palette.dim(row('', 'time', 'longest write gap')), 2);
  for (const [title, { tookMs, gapMs }] of results)
    stage.say(row(title, secondsText(tookMs), gapMs === undefined ? '–' : gapText(gapMs)), 2);
  stage.say(`\n${stage.palette.green('✓')} ${keys} keys written, all read back.`, 2);
}

function playOn(folder: string, program: readonly [string, ...string[]]): string {
  const line = (words: readonly string[]): string => words.map(shellWord).join(' ');
  return `
Everything keeps running. To play on:

  export QUORATE_CONFIG=${shellWord(`${folder}/controller.yaml`)}
  alias quorate=${shellWord(line(program))}
  quorate status
  quorate etcdctl -- get --prefix demo/ --limit 3

Edit ${folder}/repo/clusters/orders.yaml, then
  git -C ${shellWord(`${folder}/repo`)} commit -am 'My change'

To stop everything and remove the folder:
  ${line(stopCommand(program, folder))}`;
}

function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:@=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
