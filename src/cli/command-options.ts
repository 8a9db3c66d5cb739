import { InvalidArgumentError, Option } from 'commander';

/** `--config`, of every command that reads the controller's configuration. */
export const config = (): Option =>
  new Option('--config <file>', 'controller.yaml; default $QUORATE_CONFIG, then ./controller.yaml');

export const cluster = (): Option => new Option('--cluster <name>', 'one cluster; default all, or the only one');

/** The first is the default. */
export const format = (...choices: string[]): Option =>
  new Option('--format <format>').choices(choices).default(choices[0]);

/** Runs a command's function and remembers its exit code. */
export function run<A extends unknown[]>(work: (...args: A) => Promise<number>): (...args: A) => Promise<void> {
  return async (...args) => {
    process.exitCode = await work(...args);
  };
}

/** For options that mean one thing: of two, commander would take the last. */
export function once(value: string, before: string | undefined): string {
  if (before !== undefined) throw new InvalidArgumentError('give it once');
  return value;
}

export function count(low: number, high: number): (value: string) => number {
  return (value) => {
    const parsed = Number(value);
    if (!Number.isInteger(parsed) || parsed < low || parsed > high)
      throw new InvalidArgumentError(`a whole number from ${low} to ${high}`);
    return parsed;
  };
}

/** `https://a:2379,https://b:2379`. */
export function urlList(value: string): readonly string[] {
  return value.split(',').filter((url) => url !== '');
}
