/**
 * Errands: does what triggers ask for; see `control.ts`.
 *
 * Errands to peers run beside the rounds. One that fails is traced: whoever
 * asked looks for its effect and may ask again.
 */
import { MarsError } from "../base/errors.ts";
import type { LamportClock } from "../base/lamport.ts";
import { isIdentifier } from "../base/names.ts";
import { MARS_DIR } from "../base/settings.ts";
import { trace } from "../base/trace.ts";
import type { RpcClient } from "../peer/rpc.ts";
import type { LinkIntake } from "../transfer/intake.ts";
import { listLinks } from "../transfer/listing.ts";
import { MetadataLink, pushLinks } from "../transfer/metadata.ts";
import type { LinkDisk } from "../tree/link_files.ts";
import { isReplicated } from "../tree/path.ts";
import type { Peers } from "./peers.ts";
import { parseTriggers, type Places, type Trigger } from "./triggers.ts";

export interface ErrandsOptions {
  readonly marsDir: string;
  readonly host: string;
  readonly disk: LinkDisk;
  /** Puts a text into the system's log. */
  readonly note: (text: string) => Promise<void>;
  readonly lamport: LamportClock;
  readonly intake: LinkIntake;
  readonly peers: Peers;
  /** Looks at all that `mask` names, bits of `LOOK`. */
  readonly look: (mask: number) => void;
}

const PROBE = "probe-";

export class Errands {
  readonly #options: ErrandsOptions;
  readonly #places: Places;
  readonly #running = new Set<Promise<void>>();

  constructor(options: ErrandsOptions) {
    const { marsDir, host, disk } = options;
    this.#options = options;
    this.#places = {
      linkOf: (text) => {
        const path = inTree(marsDir, text);
        return path !== undefined && isReplicated(path) ? path : undefined;
      },
      directoryOf: (text) => {
        if (text === "/" || text === marsDir) return "";
        const path = inTree(marsDir, text) ?? "";
        const isProbe = path.startsWith(PROBE) &&
          isIdentifier(path.slice(PROBE.length));
        return isProbe ? path : undefined;
      },
      isKnown: (path) =>
        path === "" || path === `${PROBE}${host}` ||
        disk.status(path) !== undefined,
    };
  }

  /** Takes what was written to the trigger; returns at once. */
  take(text: string): void {
    let mask = 0;
    for (const trigger of parseTriggers(text, this.#places)) {
      if (trigger.kind === "look") mask |= trigger.mask;
      else if (trigger.kind === "note") this.#note(trigger.text);
      else this.#run(trigger);
    }
    if (mask !== 0) this.#options.look(mask);
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  #note(text: string): void {
    trace.info("trigger", text);
    this.#keep(() => this.#options.note(text), "note");
  }

  #run(trigger: Exclude<Trigger, { kind: "look" | "note" }>): void {
    const { peer } = trigger;
    const address = trigger.address;
    this.#keep(() => {
      if (!isIdentifier(peer)) {
        throw new MarsError(
          `Cannot reach "${peer}": expected the name of a host`,
        );
      }
      return this.#options.peers.visit(
        peer,
        address,
        (rpc) => this.#act(trigger, rpc),
      );
    }, trigger.kind);
  }

  /** Runs beside the rounds; a failure is traced. */
  #keep(act: () => Promise<void>, errand: string): void {
    const run = async (): Promise<void> => {
      try {
        await act();
        trace.debug("trigger", "Done", { errand });
      } catch (error) {
        if (!(error instanceof MarsError)) throw error;
        trace.warn("trigger", "Not done", { errand, error });
      }
    };
    const running = run();
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  async #act(
    trigger: Exclude<Trigger, { kind: "look" | "note" }>,
    rpc: RpcClient,
  ): Promise<void> {
    const { intake, lamport } = this.#options;
    if (trigger.kind === "push") {
      const { path, value } = trigger;
      await pushLinks(intake, rpc, [{ path, value, stampNs: lamport.next() }]);
    } else if (trigger.kind === "fetch" && trigger.directory !== "") {
      await this.#probe(trigger.directory, rpc);
    } else {
      await this.#exchange(rpc);
    }
  }

  async #exchange(rpc: RpcClient): Promise<void> {
    const { intake } = this.#options;
    let link: MetadataLink | undefined;
    const done = new Promise<void>((resolve) => {
      link = MetadataLink.start({ intake, rpc, onExchanged: resolve });
    });
    const result = await Promise.race([link?.finished, done]);
    await link?.stop();
    if (result?.kind === "lost") throw new MarsError(result.message);
  }

  /** Puts all links of the peer below `directory`, with their stamps. */
  async #probe(directory: string, rpc: RpcClient): Promise<void> {
    const { intake, lamport } = this.#options;
    for await (const links of listLinks(intake, rpc)) {
      for (const { path, value, stampNs } of links) {
        this.#replace(`${directory}/mars/${path}`, value, stampNs);
      }
    }
    this.#replace(`${directory}/got-${rpc.peer}`, "1", lamport.next());
  }

  #replace(path: string, value: string, stampNs: bigint): void {
    if (this.#options.disk.replace(path, value, stampNs)) return;
    throw new MarsError(`Cannot write "${path}": something is in the way`);
  }
}

/** Relative to the tree; commands of the original know it by its usual name. */
function inTree(marsDir: string, text: string): string | undefined {
  for (const root of [marsDir, MARS_DIR]) {
    if (text.startsWith(`${root}/`)) return text.slice(root.length + 1);
  }
  return undefined;
}
