/**
 * One fault at one call of a controller, counted over all its interfaces:
 * - `crash`: the controller dies before the call
 * - `fail`: the call does nothing and reports a fault
 * - `lost-answer`: the call does its work, and reports a fault all the same
 */
export interface CallFault {
  readonly at: number;
  readonly type: 'crash' | 'fail' | 'lost-answer';
}

/** Every call of one controller process passes through here. */
export class Calls {
  /** Names of the calls so far, in order. */
  readonly names: string[] = [];
  /** Resolves when the controller dies. Nothing that it awaits resolves any more, as in a real death. */
  readonly died: Promise<'died'>;
  readonly #fault: CallFault | undefined;
  readonly #onCall: () => void;
  #die: (value: 'died') => void = () => undefined;
  #isDead = false;
  #underWay = 0;

  constructor(fault: CallFault | undefined, onCall: () => void) {
    this.#fault = fault;
    this.#onCall = onCall;
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Calls that have begun and not ended. */
  get underWay(): number {
    return this.#underWay;
  }

  async call<T>(name: string, work: () => Promise<T> | T, fault: () => Promise<T> | T): Promise<T> {
    if (this.#isDead) return silence();
    this.names.push(name);
    const due = this.#fault?.at === this.names.length ? this.#fault.type : undefined;
    if (due === 'crash') {
      this.#isDead = true;
      this.#die('died');
      return silence();
    }
    this.#underWay += 1;
    try {
      this.#onCall();
      if (due === 'fail') return await fault();
      const result = await work();
      return due === 'lost-answer' ? await fault() : result;
    } finally {
      this.#underWay -= 1;
    }
  }
}

function silence(): Promise<never> {
  return new Promise(() => {
    // Nobody answers a dead process.
  });
}
