import { assertEquals, assertRejects } from "@std/assert";
import { MemoryLine } from "../../tests/support/memory_line.ts";
import { ManualClock, MemoryTree } from "../../tests/support/memory_tree.ts";
import { MarsError } from "../base/errors.ts";
import type { RpcReply } from "../peer/rpc.ts";
import type { Link } from "../tree/snapshot.ts";
import { LinkIntake } from "./intake.ts";
import { LINKS_PER_MESSAGE_MAX } from "./link_message.ts";
import { listingHandlers, listLinks } from "./listing.ts";

function intakeOf(host: string, uuid: string, links: Link[]): LinkIntake {
  const tree = new MemoryTree(new ManualClock(), links);
  return new LinkIntake({
    tree,
    host,
    lamport: tree.lamport,
    uuid: () => uuid,
    onTaken: () => {
      throw new MarsError("Nothing may be merged");
    },
  });
}

function link(path: string): Link {
  return { path, value: "1", stampNs: 7n };
}

async function listFrom(
  links: Link[],
  onReply?: (reply: RpcReply, index: number) => RpcReply,
): Promise<Link[]> {
  const beta = intakeOf("beta", "theirs", links);
  const line = new MemoryLine({
    from: "alpha",
    peer: "beta",
    handlers: listingHandlers(beta),
    ...(onReply === undefined ? {} : { onReply }),
  });
  const listed: Link[] = [];
  for await (const page of listLinks(intakeOf("alpha", "ours", []), line)) {
    listed.push(...page);
  }
  return listed;
}

Deno.test("listLinks() brings every link of another cluster, page by page", async () => {
  const names = Array.from(
    { length: 2 * LINKS_PER_MESSAGE_MAX + 1 },
    (_, index) => `userspace/note-${String(index).padStart(5, "0")}`,
  );
  const links = [link("uuid"), ...names.map(link), link("resource-x/size")];
  const listed = await listFrom(links);
  assertEquals(
    new Set(listed.map(({ path }) => path)),
    new Set(links.map(({ path }) => path)),
  );
  assertEquals(listed.length, links.length);
  assertEquals(listed[0], link("uuid"));
});

Deno.test("listLinks() leaves out what no tree takes", async () => {
  const links = [link("uuid"), link("cache-beta/invalid"), link("ips/ip-beta")];
  const listed = await listFrom(links);
  // An address is not "1".
  assertEquals(listed.map(({ path }) => path), ["uuid"]);
});

Deno.test("listLinks() does not follow a peer in circles", async () => {
  await assertRejects(
    () =>
      listFrom([link("uuid")], (reply) => ({
        ...reply,
        params: { ...reply.params, until: "" },
      })),
    MarsError,
    "there is no end",
  );
});
