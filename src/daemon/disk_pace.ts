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
  readonly #throttle: Throttle;
  /** As the link says it; what cannot be read is no limit. */
  text: string | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#throttle = new Throttle(() => clock.monotonicMs());
  }

  async pass(bytes: number, signal?: AbortSignal): Promise<void> {
    const schedule = parseRateSchedule(this.text ?? "");
    const time = weekTimeOf(this.#clock.realNs());
    this.#throttle.bytesPerSecond = schedule && rateAt(schedule, time);
    await this.#throttle.pass(bytes, signal);
  }
}
