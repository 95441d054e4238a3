/** A TCP relay that can be cut: now, or after so many bytes. */

export class Relay {
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  readonly #targetPort: number;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #finished: Promise<void>;
  /** Bytes that each connection may still carry towards its dialer. */
  #budgets: Iterator<number> | undefined;
  #isCut = false;
  cutCount = 0;

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#finished = this.#accept();
  }

  /** Connections that are carried now. */
  get openCount(): number {
    return this.#open.size;
  }

  /** Each new connection ends after so many bytes; an end means never. */
  limit(budgets: Iterator<number>): void {
    this.#budgets = budgets;
    this.#drop();
  }

  /** Drops everything and lets nobody in. */
  cut(): void {
    this.#isCut = true;
    this.#drop();
  }

  mend(): void {
    this.#isCut = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.#drop();
    await this.#finished;
  }

  #drop(): void {
    for (const connection of [...this.#open]) this.#close(connection);
  }

  #close(connection: Deno.TcpConn): void {
    if (this.#open.delete(connection)) connection.close();
  }

  async #accept(): Promise<void> {
    const running: Promise<void>[] = [];
    try {
      for await (const client of this.#listener) {
        this.#open.add(client);
        if (this.#isCut) this.#close(client);
        else running.push(this.#carry(client));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
    await Promise.all(running);
  }

  async #carry(client: Deno.TcpConn): Promise<void> {
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({
        hostname: "127.0.0.1",
        port: this.#targetPort,
      });
    } catch {
      // Nobody listens behind: the dialer sees a closed connection.
      return this.#close(client);
    }
    this.#open.add(server);
    const next = this.#budgets?.next();
    const budget = next === undefined || next.done === true
      ? Infinity
      : next.value;
    await Promise.all([
      this.#copy(client, server, Infinity),
      this.#copy(server, client, budget),
    ]);
  }

  async #copy(
    from: Deno.TcpConn,
    to: Deno.TcpConn,
    budget: number,
  ): Promise<void> {
    const buffer = new Uint8Array(65536);
    let left = budget;
    try {
      while (left > 0) {
        const count = await from.read(buffer);
        if (count === null) break;
        let at = 0;
        const end = Math.min(count, left);
        while (at < end) at += await to.write(buffer.subarray(at, end));
        left -= end;
      }
      if (left <= 0) this.cutCount += 1;
    } catch {
      // Either end is gone: that is what a cut looks like.
    }
    this.#close(from);
    this.#close(to);
  }
}
