/**
 * Threads of this process, as the scheduler of the kernel knows them.
 *
 * Any thread may become SCHED_IDLE, but to leave that takes CAP_SYS_NICE or a
 * limit on nice values that permits it. Without it nobody is made to yield.
 *
 * New threads, and programs that are started, inherit the policy of the thread
 * that makes them: threads are put right now and then, and a program is started
 * after `stopYielding`.
 */
import type { Shim } from "../../ffi/shim.ts";
import type { Mailbox } from "./mailbox.ts";
import type { YieldingThread } from "./precedence.ts";

// Prescribed by Linux.
const SCHED_OTHER = 0;
const SCHED_IDLE = 5;
/** Of a thread whose nice value is -20. */
const RANK_MAX = 40;

/** Ours. Questions between two looks at all threads: twice a second. */
const LOOK_QUESTIONS = 10;

/**
 * The main thread, if it may be made to yield and to stop that again; to be
 * called before anybody does. Undefined also if an administrator has given it
 * another policy.
 */
export function yieldingThreadOf(shim: Shim): number | undefined {
  const thread = Deno.pid;
  if (shim.mars_thread_policy(thread) !== SCHED_OTHER) return undefined;
  return mayRise(shim) ? thread : undefined;
}

/** Whether this thread may rise: it does, for a moment. */
function mayRise(shim: Shim): boolean {
  const rank = shim.mars_thread_rank();
  if (rank < 0 || rank === RANK_MAX) return false;
  if (shim.mars_thread_rank_set(rank + 1) < 0) return false;
  shim.mars_thread_rank_set(rank);
  return true;
}

/** Lets a thread run as others do. */
export function stopYielding(shim: Shim, thread: number): void {
  // Fails only if it is gone.
  shim.mars_thread_policy_set(thread, SCHED_OTHER);
}

/** The daemon's thread, as a worker commands it. */
export class DaemonThread implements YieldingThread {
  readonly #shim: Shim;
  readonly #mailbox: Mailbox;
  readonly #thread: number;
  #questionCount = 0;

  constructor(
    shim: Shim,
    { mailbox, thread }: { mailbox: Mailbox; thread: number },
  ) {
    this.#shim = shim;
    this.#mailbox = mailbox;
    this.#thread = thread;
  }

  yield(): void {
    this.#shim.mars_thread_policy_set(this.#thread, SCHED_IDLE);
  }

  restore(): void {
    stopYielding(this.#shim, this.#thread);
  }

  ask(): void {
    this.#mailbox.ask();
    if (this.#questionCount % LOOK_QUESTIONS === 0) this.#putRight();
    this.#questionCount++;
  }

  get isAnswered(): boolean {
    return this.#mailbox.isAnswered;
  }

  /** Threads that it has made while it yielded must not. */
  #putRight(): void {
    for (const { name } of Deno.readDirSync("/proc/self/task")) {
      const thread = Number(name);
      if (thread === this.#thread) continue;
      const policy = this.#shim.mars_thread_policy(thread);
      if (policy === SCHED_IDLE) stopYielding(this.#shim, thread);
    }
  }
}
