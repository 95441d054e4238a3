/**
 * How fast disks may be copied or compared here: a rate of the resource, by time
 * of day. What is counted is the disk and not the line, so that what is equal
 * does not keep the disks of both hosts busy either.
 */
import { parseRateSchedule, rateAt } from "../base/rate_schedule.ts";
import { type Pace, Throttle } from "../base/throttle.ts";
import { type Clock, weekTimeOf } from "../base/time.ts";

export class DiskPace implements Pace {
  readonly #clock: Clock;
  readonly #looked: Throttle;
  readonly #fetched: Throttle;
  #text: string | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#looked = new Throttle(() => clock.monotonicMs());
    this.#fetched = new Throttle(() => clock.monotonicMs());
  }

  /** As the link says it; what cannot be read is no limit. Holds at once. */
  set text(text: string | undefined) {
    this.#text = text;
    this.#adopt();
  }

  async pass(bytes: number, signal?: AbortSignal): Promise<void> {
    this.#adopt();
    await this.#looked.pass(bytes, signal);
  }

  /** The same rate for what goes over the line; much is looked at ahead. */
  readonly fetching: Pace = {
    pass: async (bytes, signal) => {
      this.#adopt();
      await this.#fetched.pass(bytes, signal);
    },
  };

  /** Who waits keeps to it as well. */
  #adopt(): void {
    const schedule = parseRateSchedule(this.#text ?? "");
    const time = weekTimeOf(this.#clock.realNs());
    const rate = schedule && rateAt(schedule, time);
    this.#looked.bytesPerSecond = rate;
    this.#fetched.bytesPerSecond = rate;
  }
}
