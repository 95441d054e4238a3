/** A host with resources to write to. */
import { NbdClient } from "../../src/cli/demo/nbd_client.ts";
import { type Host, waitFor } from "../support/hosts.ts";
import { makeDisk, settleDisks } from "./programs.ts";

export interface ResourceOptions {
  readonly sizeBytes: number;
  readonly level: "flush" | "durable";
}

/** A resource that `host` is primary of. */
export class PrimaryResource {
  readonly host: Host;
  readonly name: string;

  private constructor(host: Host, name: string) {
    this.host = host;
    this.name = name;
  }

  /** Makes it and waits for its device. */
  static async create(
    host: Host,
    name: string,
    options: ResourceOptions,
  ): Promise<PrimaryResource> {
    const disk = `${host.directory}/disk-${name}`;
    await makeDisk(disk, options.sizeBytes);
    await host.must(
      "create-resource",
      name,
      disk,
      `--acknowledge=${options.level}`,
    );
    const resource = new PrimaryResource(host, name);
    await resource.waitDevice();
    return resource;
  }

  get #directory(): string {
    return `${this.host.marsDir}/resource-${this.name}`;
  }

  get uri(): string {
    return `nbd+unix:///${this.name}?socket=${this.host.socket(this.name)}`;
  }

  async waitDevice(): Promise<void> {
    await waitFor(`the device of "${this.name}"`, async () => {
      try {
        const client = await NbdClient.connect(
          this.host.socket(this.name),
          this.name,
        );
        await client.disconnect();
        return true;
      } catch {
        return false; // Not there yet.
      }
    });
  }

  /** Waits until everything is on the disk. */
  async writtenBack(): Promise<void> {
    await waitFor(`"${this.name}" to be written back`, () => {
      const [log = "", bytes, dirty] = this.replayPosition(this.host.name)
        .split(",");
      return dirty === "0" && log === this.#newestLog() &&
        Number(bytes) === this.#sizeOf(log);
    });
  }

  /** Writes back, goes on in a new log, and deletes the old ones. */
  async settle(): Promise<void> {
    await this.writtenBack();
    const before = this.#newestLog();
    await waitFor(`a new log of "${this.name}"`, async () => {
      if (this.#newestLog() > before) return true;
      // Refused as long as the position of the old one is not published.
      await this.host.must("log-rotate", this.name);
      return false;
    });
    await this.writtenBack();
    await this.host.must(
      "log-delete-all",
      this.name,
      "--window=0",
    );
    await settleDisks();
  }

  /** As `host` publishes it and this host sees it: log, bytes, dirty bytes. */
  replayPosition(host: string): string {
    return this.host.link(`resource-${this.name}/replay-${host}`) ?? "";
  }

  #sizeOf(log: string): number {
    return Deno.statSync(`${this.#directory}/${log}`).size;
  }

  #newestLog(): string {
    const names = [...Deno.readDirSync(this.#directory)]
      .map(({ name }) => name).filter((name) => name.startsWith("log-"));
    return names.toSorted().at(-1) ?? "";
  }
}
