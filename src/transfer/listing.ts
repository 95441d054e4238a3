/**
 * Links of a host as a list, for whoever prepares to merge two clusters.
 *
 *   meta.list  a place  -> links from there on, and where to go on
 *
 * Both hosts trust each other, but they may belong to different clusters: so
 * nothing is merged here, and the uuid is not compared. Links are ordered as
 * in `link_message.ts`. What changes while the list is read may be missing.
 */
import { MarsError } from "../base/errors.ts";
import type { RpcClient, RpcHandlers } from "../peer/rpc.ts";
import { objectionTo } from "../tree/merge.ts";
import { directoryOf } from "../tree/path.ts";
import type { Link } from "../tree/snapshot.ts";
import type { LinkIntake } from "./intake.ts";
import {
  comparePaths,
  compareTexts,
  countThatFits,
  decodeLinks,
  encodeLinks,
  LINKS_PER_MESSAGE_MAX,
  linksInRange,
} from "./link_message.ts";
import { textParam } from "./params.ts";

// Ours: five million links. At this bound the list is given up.
const PAGES_MAX = 10_000;

// Ours. A peer that is alive and does not answer for so long is lost.
const CALL_TIMEOUT_MS = 30_000;

/** The handler that lists the links of this host. */
export function listingHandlers(intake: LinkIntake): RpcHandlers {
  return {
    "meta.list": (call) => {
      intake.admitStranger(call.peer, call.params);
      const links = linksFrom(intake, textParam(call.params, "from"));
      const count = countThatFits(links);
      const until = links[count]?.path;
      return Promise.resolve({
        params: {
          ...intake.greeting(),
          ...(until === undefined ? {} : { until }),
        },
        body: encodeLinks(links.slice(0, count)),
      });
    },
  };
}

/** At least one more than fit into a message, if there are so many. */
function linksFrom(intake: LinkIntake, from: string): Link[] {
  const snapshot = intake.snapshot();
  const first = directoryOf(from);
  const links: Link[] = [];
  const directories = [...snapshot.directories()]
    .filter((directory) => directory >= first).sort(compareTexts);
  for (const directory of directories) {
    if (links.length > LINKS_PER_MESSAGE_MAX) break;
    const inside = linksInRange(snapshot, [directory], {
      from,
      until: undefined,
    });
    links.push(...inside.filter((link) => intake.isFit(link)));
  }
  return links;
}

/**
 * All links of the peer that are fit for a tree, page by page.
 *
 * @throws MarsError
 */
export async function* listLinks(
  intake: LinkIntake,
  rpc: RpcClient,
): AsyncGenerator<readonly Link[]> {
  let from = "";
  for (let page = 0; page < PAGES_MAX; page++) {
    const { params, body } = await rpc.call(
      "meta.list",
      { ...intake.greeting(), from },
      { timeoutMs: CALL_TIMEOUT_MS },
    );
    intake.admitStranger(rpc.peer, params);
    yield decodeLinks(body).filter((link) =>
      objectionTo(rpc.peer, link) === undefined
    );
    if (params["until"] === undefined) return;
    const until = textParam(params, "until");
    if (comparePaths(until, from) <= 0) break;
    from = until;
  }
  throw new MarsError(
    `Cannot list the links of "${rpc.peer}": there is no end`,
  );
}
