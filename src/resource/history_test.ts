/** The worked examples of the version chain, literally. */
import { assertEquals } from "@std/assert";
import { Snapshot } from "../tree/snapshot.ts";
import { nextLog, versionText } from "./history.ts";
import { findSplits } from "./parting.ts";
import { type ResourceView, resourceView } from "./view.ts";

const RESOURCE = "resource-r";

/** A view of links `name value`, one per line, below the resource. */
function viewOf(host: string, text: string): ResourceView {
  const links = text.trim().split("\n").map((line) => {
    const [name = "", value = ""] = line.trim().split(" -> ");
    return { path: `${RESOURCE}/${name}`, value, stampNs: 1n };
  });
  return resourceView(new Snapshot(links), "r", host);
}

const log = (sequence: number, host: string) => ({ sequence, host });

const ALPHA_1 = "75dc0e8bddcb45d8062e045d7c056f32,log-000000001-alpha,12540:";
const ALPHA_2 =
  "50e87413d143369601c1ab10cfe2b064,log-000000002-alpha,41800:75dc0e8bddcb45d8062e045d7c056f32,log-000000001-alpha,12540";

Deno.test("versionText() of the first log has no predecessor", () => {
  assertEquals(
    versionText({ log: log(1, "alpha"), bytes: 0 }, undefined),
    "25a4cf3b21e6d76a908d3184e9f5a315,log-000000001-alpha,0:",
  );
  assertEquals(
    versionText({ log: log(1, "alpha"), bytes: 12540 }, "ignored"),
    ALPHA_1,
  );
  assertEquals(
    versionText({ log: log(1, "hosta"), bytes: 0 }, undefined),
    "c9c9ede02a26379e6cdfc2ab01b11882,log-000000001-hosta,0:",
  );
});

Deno.test("versionText() covers the whole text of the predecessor", () => {
  assertEquals(
    versionText({ log: log(2, "alpha"), bytes: 0 }, ALPHA_1),
    "1593eadea4bdb635b95be601378ce9bd,log-000000002-alpha,0:75dc0e8bddcb45d8062e045d7c056f32,log-000000001-alpha,12540",
  );
  assertEquals(
    versionText({ log: log(2, "alpha"), bytes: 41800 }, ALPHA_1),
    ALPHA_2,
  );
  assertEquals(
    versionText({ log: log(3, "beta"), bytes: 0 }, ALPHA_2),
    "2b0e06d077dc431ad1c923cfeca1fbcf,log-000000003-beta,0:50e87413d143369601c1ab10cfe2b064,log-000000002-alpha,41800",
  );
});

Deno.test("nextLog() follows a planned handover", () => {
  const view = viewOf(
    "alpha",
    `data-alpha -> /dev/a
     data-beta -> /dev/b
     version-000000001-alpha -> ${ALPHA_1}
     version-000000002-alpha -> ${ALPHA_2}
     version-000000002-beta -> ${ALPHA_2}
     version-000000003-beta -> 2b0e06d077dc431ad1c923cfeca1fbcf,log-000000003-beta,0:50e87413d143369601c1ab10cfe2b064,log-000000002-alpha,41800`,
  );
  assertEquals(nextLog(view, { log: log(2, "alpha"), bytes: 41800 }), {
    kind: "next",
    log: log(3, "beta"),
  });
  assertEquals(
    nextLog(view, { log: log(2, "alpha"), bytes: 41799 }).kind,
    "wait",
  );
  assertEquals(
    nextLog(view, { log: log(2, "alpha"), bytes: 41801 }).kind,
    "split",
  );
});

const FORCED = `
  data-alpha -> /dev/a
  data-beta -> /dev/b
  data-gamma -> /dev/c
  version-000000002-alpha -> ${ALPHA_2}
  version-000000002-beta -> ${ALPHA_2}
  version-000000002-gamma -> ${ALPHA_2}
  version-000000003-alpha -> ff091d31c92e770ab2c6f6248690c7d5,log-000000003-beta,12540:50e87413d143369601c1ab10cfe2b064,log-000000002-alpha,41800
  version-000000004-alpha -> 61e6a5b755e2d2ddfeb2a980eaca1045,log-000000004-alpha,4180:ff091d31c92e770ab2c6f6248690c7d5,log-000000003-beta,12540
  version-000000003-beta -> 20dd07da1f9ba71f20a12c0136543fcb,log-000000003-beta,33440:50e87413d143369601c1ab10cfe2b064,log-000000002-alpha,41800
  replay-alpha -> log-000000004-alpha,4180,0`;

const BETA_4 =
  "b91b043350241a2596dbe468f57e7c9b,log-000000004-beta,8360:20dd07da1f9ba71f20a12c0136543fcb,log-000000003-beta,33440";

Deno.test("findSplits() finds ancestor and amounts of a forced change", () => {
  const view = viewOf(
    "alpha",
    `${FORCED}
     version-000000004-beta -> ${BETA_4}
     replay-beta -> log-000000004-beta,8360,0`,
  );
  assertEquals(findSplits(view), [{
    hosts: ["alpha", "beta"],
    ancestor: { log: log(3, "beta"), bytes: 12540 },
    amountBytes: [16720, 41800],
  }]);
});

Deno.test("nextLog() of a third host accepts only what it can continue", () => {
  const links = FORCED;
  const gamma = viewOf("gamma", links);
  assertEquals(
    nextLog(gamma, { log: log(3, "beta"), bytes: 33440 }).kind,
    "split",
  );
  assertEquals(
    nextLog(gamma, { log: log(3, "beta"), bytes: 12540 }),
    { kind: "next", log: log(4, "alpha") },
  );
  const both = viewOf("gamma", `${links}\nversion-000000004-beta -> ${BETA_4}`);
  assertEquals(
    nextLog(both, { log: log(3, "beta"), bytes: 12540 }).kind,
    "split",
  );
});

Deno.test("findSplits() does not call a stale member a split brain", () => {
  const behind = viewOf(
    "alpha",
    `data-alpha -> /dev/a
     data-beta -> /dev/b
     version-000000002-alpha -> ${ALPHA_2}
     version-000000003-alpha -> ff091d31c92e770ab2c6f6248690c7d5,log-000000003-beta,8360:50e87413d143369601c1ab10cfe2b064,log-000000002-alpha,41800
     version-000000003-beta -> 20dd07da1f9ba71f20a12c0136543fcb,log-000000003-beta,33440:50e87413d143369601c1ab10cfe2b064,log-000000002-alpha,41800
     version-000000004-beta -> ${BETA_4}
     replay-alpha -> log-000000003-beta,8360,0
     replay-beta -> log-000000004-beta,8360,0`,
  );
  assertEquals(findSplits(behind), []);
});
