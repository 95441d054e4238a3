// Pure
/**
 * What roles know of a front end: it may let clients in, and is busy or not.
 */

export interface FrontEnd {
  /** Lets clients in. Only while `isStopped`. @throws SyscallError */
  start(): void;
  /** Lets nobody in any more, as far as it can; clients stay. */
  stopListening(): void;
  /** Whether `start` may be called. */
  readonly isStopped: boolean;
  /** Whether clients get in right now. */
  readonly isOn: boolean;
  /** Why it is not on although it should be; 0 if nothing is wrong. */
  readonly errno: number;
  /** At which step that is so; one of `DEVICE_STEP`. */
  readonly step: number;
  /** Users were told that nothing of theirs needs a flush to be durable. */
  readonly mustBeDurable: boolean;
  /** Whatever must be gone before the device is. */
  readonly clientCount: number;
  /** Those who have the device open. */
  readonly openCount: number;
  /** Ends all clients, or leaves them to the next process. */
  closeAll(): void;
  /** Whether it can grow as it is now. */
  readonly canGrow: boolean;
  /** Bytes that its users see by now; Infinity if nobody sees anything. */
  readonly shownBytes: number;
  /** A device may grow. */
  resize(sizeBytes: number): void;
  /** Lets go of everything that is left; the last call. */
  close(): void;
  /** Does what is to be done once per turn; costs nothing if there is nothing. */
  endOfTurn(): void;
}

/** Several front ends of one device, as one. */
export class FrontEnds implements FrontEnd {
  readonly #all: readonly FrontEnd[];

  constructor(all: readonly FrontEnd[]) {
    this.#all = all;
  }

  start(): void {
    for (const each of this.#all) each.start();
  }

  stopListening(): void {
    for (const each of this.#all) each.stopListening();
  }

  get isStopped(): boolean {
    return this.#all.every((each) => each.isStopped);
  }

  get isOn(): boolean {
    return this.#all.every((each) => each.isOn);
  }

  get errno(): number {
    return this.#all.find((each) => each.errno !== 0)?.errno ?? 0;
  }

  get step(): number {
    return this.#all.find((each) => each.step !== 0)?.step ?? 0;
  }

  get mustBeDurable(): boolean {
    return this.#all.some((each) => each.mustBeDurable);
  }

  get clientCount(): number {
    return this.#all.reduce((sum, each) => sum + each.clientCount, 0);
  }

  get openCount(): number {
    return this.#all.reduce((sum, each) => sum + each.openCount, 0);
  }

  closeAll(): void {
    for (const each of this.#all) each.closeAll();
  }

  get canGrow(): boolean {
    return this.#all.every((each) => each.canGrow);
  }

  get shownBytes(): number {
    return Math.min(...this.#all.map((each) => each.shownBytes));
  }

  resize(sizeBytes: number): void {
    for (const each of this.#all) each.resize(sizeBytes);
  }

  close(): void {
    for (const each of this.#all) each.close();
  }

  endOfTurn(): void {
    for (const each of this.#all) each.endOfTurn();
  }
}
