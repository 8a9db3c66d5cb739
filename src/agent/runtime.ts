/** Tells one process from every other, also from a later one with the same number, also after a reboot. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in clock ticks since boot, from /proc/PID/stat. */
  readonly startTicks: number;
  readonly bootId: string;
}

export interface LaunchSpec {
  /** Absolute path of the program. */
  readonly command: string;
  readonly args: readonly string[];
  readonly workingFolder: string;
  /** Takes what the process prints; appended to, 0600. */
  readonly logFile: string;
}

/** Both are null when the process was not our child, so that the system told somebody else. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: string | null;
}

export type StopSignal = 'SIGTERM' | 'SIGQUIT' | 'SIGKILL';

/** How etcd is run on this host. The process that it launches outlives the agent. */
export interface ProcessRuntime {
  /** Throws `start-failed` when the program cannot be executed. */
  launch(spec: LaunchSpec): Promise<ProcessIdentity>;
  /** Finds a process by one exact argument, for when the note about it was never written. */
  find(argument: string): Promise<ProcessIdentity | undefined>;
  /** A zombie is not alive. */
  isAlive(identity: ProcessIdentity): Promise<boolean>;
  /** Nothing happens when the process is gone. */
  signal(identity: ProcessIdentity, signal: StopSignal): Promise<void>;
  /** Resolves when the process is gone, however it was started; rejects when `signal` aborts. */
  exited(identity: ProcessIdentity, signal: AbortSignal): Promise<ProcessExit>;
}
