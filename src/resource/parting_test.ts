/** Shapes of two histories: apart, behind, with holes, with links missing. */
import { assertEquals } from "@std/assert";
import { Snapshot } from "../tree/snapshot.ts";
import { versionText } from "./history.ts";
import { bytesSince, findSplits, partingOf } from "./parting.ts";
import { splitBrainOf } from "./sides.ts";
import { type Position, type ResourceView, resourceView } from "./view.ts";

/** `3beta:100` is log 3 of beta up to byte 100. */
function position(word: string): Position {
  const [, sequence, host = "", bytes] = /^(\d+)([a-z]+):(\d+)$/.exec(word) ??
    [];
  return { log: { sequence: Number(sequence), host }, bytes: Number(bytes) };
}

/**
 * A view of histories `host: 1alpha:100 2alpha:50`. The last log is the one of
 * the replay link; `-` in front of a log drops its version link.
 */
function viewOf(
  histories: Readonly<Record<string, string>>,
  more: Readonly<Record<string, string>> = {},
): ResourceView {
  const links = new Map<string, string>();
  for (const [host, text] of Object.entries(histories)) {
    let previous: string | undefined;
    let last: Position | undefined;
    for (const word of text.split(" ")) {
      const end = position(word.replace("-", ""));
      const value = versionText(end, previous);
      const number = String(end.log.sequence).padStart(9, "0");
      if (!word.startsWith("-")) links.set(`version-${number}-${host}`, value);
      previous = value;
      last = end;
    }
    links.set(`data-${host}`, "/dev/x");
    if (last === undefined) continue;
    const number = String(last.log.sequence).padStart(9, "0");
    links.set(
      `replay-${host}`,
      `log-${number}-${last.log.host},${last.bytes},0`,
    );
  }
  for (const [name, value] of Object.entries(more)) links.set(name, value);
  return resourceView(
    new Snapshot(
      [...links].map(([name, value], index) => ({
        path: `resource-r/${name}`,
        value,
        stampNs: BigInt(index + 1) * 1_000_000_000n,
      })),
    ),
    "r",
    "alpha",
  );
}

const SHAPES: readonly {
  readonly name: string;
  readonly alpha: string;
  readonly beta: string;
  readonly isSplit: boolean;
  readonly ancestor: string;
  /** Behind it, of alpha and of beta. */
  readonly bytes: readonly [number, number];
}[] = [
  {
    name: "equal histories",
    alpha: "1alpha:100",
    beta: "1alpha:100",
    isSplit: false,
    ancestor: "1alpha:100",
    bytes: [0, 0],
  },
  {
    name: "one is behind in the same log",
    alpha: "1alpha:100 2alpha:50",
    beta: "1alpha:100 2alpha:20",
    isSplit: false,
    ancestor: "2alpha:20",
    bytes: [30, 0],
  },
  {
    name: "one is behind in a log that the other has finished",
    alpha: "1alpha:100 2alpha:50 3alpha:7",
    beta: "1alpha:40",
    isSplit: false,
    ancestor: "1alpha:40",
    bytes: [117, 0],
  },
  {
    name: "one took over at an earlier end, the other wrote on in the same log",
    alpha: "1alpha:100",
    beta: "1alpha:60 2beta:10",
    isSplit: true,
    ancestor: "1alpha:60",
    bytes: [40, 10],
  },
  {
    name: "one took over at the end of the other, who wrote no more",
    alpha: "1alpha:100",
    beta: "1alpha:100 2beta:10",
    isSplit: false,
    ancestor: "1alpha:100",
    bytes: [0, 10],
  },
  {
    name: "both rotated behind one end",
    alpha: "1alpha:100 2alpha:5",
    beta: "1alpha:100 2beta:10",
    isSplit: true,
    ancestor: "1alpha:100",
    bytes: [5, 10],
  },
  {
    name: "both went on from different ends of one log",
    alpha: "1alpha:100 2alpha:5",
    beta: "1alpha:60 2beta:10",
    isSplit: true,
    ancestor: "1alpha:60",
    bytes: [45, 10],
  },
  {
    name: "one has many logs, the other one",
    alpha: "1alpha:100 2alpha:5 3alpha:5 4alpha:5",
    beta: "1alpha:100 2beta:10",
    isSplit: true,
    ancestor: "1alpha:100",
    bytes: [15, 10],
  },
  {
    name: "they parted in a log that a third one wrote",
    alpha: "1gamma:100 2alpha:5",
    beta: "1gamma:100 2beta:1 3beta:1",
    isSplit: true,
    ancestor: "1gamma:100",
    bytes: [5, 2],
  },
  {
    name: "nobody has written on its side yet",
    alpha: "1alpha:100 2alpha:0",
    beta: "1alpha:100 2beta:0",
    isSplit: true,
    ancestor: "1alpha:100",
    bytes: [0, 0],
  },
];

for (const { name, alpha, beta, isSplit, ancestor, bytes } of SHAPES) {
  Deno.test(`partingOf() when ${name}`, () => {
    const view = viewOf({ alpha, beta });
    const parting = partingOf(view, "alpha", "beta");
    assertEquals(parting.isSplit, isSplit);
    assertEquals(parting.ancestor, position(ancestor));
    const since = parting.sides.map((side) =>
      bytesSince(side, parting.ancestor)
    );
    assertEquals(since, [...bytes]);
    const back = partingOf(view, "beta", "alpha");
    assertEquals(back.isSplit, isSplit);
    assertEquals(back.ancestor, parting.ancestor);
    assertEquals(findSplits(view).length, isSplit ? 1 : 0);
  });
}

Deno.test("partingOf() says that a history has a gap", () => {
  const view = viewOf({
    alpha: "1alpha:100 -2alpha:5 3alpha:5",
    beta: "1alpha:100 2beta:10",
  });
  const { isSplit, sides } = partingOf(view, "alpha", "beta");
  assertEquals(isSplit, true);
  assertEquals(sides.map(({ hasGap }) => hasGap), [true, false]);
});

Deno.test("partingOf() tells who leads before a hole from who is behind", () => {
  // Of alpha nothing is left of what came before its hole.
  const histories = {
    beta: "4beta:100 5beta:50",
    alpha: "18alpha:0 19alpha:70",
  };
  const isSplit = (designated: string): boolean => {
    const view = viewOf(histories, { primary: designated });
    const [left, right] = ["alpha", "beta"] as const;
    const { isSplit, ancestor } = partingOf(view, left, right);
    assertEquals(partingOf(view, right, left).isSplit, isSplit);
    assertEquals(ancestor, undefined);
    assertEquals(findSplits(view).length, isSplit ? 1 : 0);
    return isSplit;
  };
  assertEquals(isSplit("beta"), true);
  assertEquals(isSplit("alpha"), false);
  assertEquals(isSplit("(none)"), false);
});

Deno.test("partingOf() tells the same where both have links of long ago only", () => {
  const isSplit = (designated: string): boolean => {
    const view = viewOf({
      beta: "-5gamma:30 6beta:100 7beta:50",
      alpha: "18alpha:0 19alpha:70",
    }, {
      primary: designated,
      "version-000000004-alpha": versionText(position("4alpha:10"), undefined),
    });
    const { isSplit } = partingOf(view, "alpha", "beta");
    assertEquals(partingOf(view, "beta", "alpha").isSplit, isSplit);
    return isSplit;
  };
  assertEquals(isSplit("beta"), true);
  assertEquals(isSplit("alpha"), false);
});

Deno.test("partingOf() goes on with links of others where those of a host are gone", () => {
  const view = viewOf({
    alpha: "6alpha:368 -7gamma:828 -8gamma:500 9alpha:920 10alpha:7728",
    gamma: "6alpha:368 7gamma:828 8gamma:500",
    delta:
      "-6alpha:368 -7gamma:828 -8gamma:500 -9alpha:920 -10alpha:7728 11delta:5",
    beta: "6alpha:368 7gamma:0",
  });
  const { isSplit, ancestor, sides } = partingOf(view, "beta", "delta");
  assertEquals(isSplit, false);
  assertEquals(ancestor, position("7gamma:0"));
  assertEquals(sides.map(({ hasGap }) => hasGap), [false, true]);
  assertEquals(findSplits(view), []);
});

Deno.test("splitBrainOf() is nothing where nobody has parted", () => {
  const view = viewOf({ alpha: "1alpha:100 2alpha:5", beta: "1alpha:40" });
  assertEquals(splitBrainOf(view, () => 1n), undefined);
});

Deno.test("splitBrainOf() tells sides, followers, and who is before", () => {
  const view = viewOf({
    alpha: "1alpha:100 2alpha:50 3alpha:5",
    beta: "1alpha:60 2beta:10",
    gamma: "1alpha:60 2beta:4",
    delta: "1alpha:30",
  }, { primary: "beta", "actual-beta/is-primary": "1" });
  const split = splitBrainOf(
    view,
    (path) => path.endsWith("version-000000001-beta") ? 7n : 9n,
  );
  assertEquals(split, {
    ancestor: position("1alpha:60"),
    sinceNs: 7n,
    sides: [{
      host: "beta",
      hosts: ["beta", "gamma"],
      isDesignated: true,
      isPrimary: true,
      writtenBytes: 10,
      logCount: 1,
      end: position("2beta:10"),
      lastWriteNs: 9n,
    }, {
      host: "alpha",
      hosts: ["alpha"],
      isDesignated: false,
      isPrimary: false,
      writtenBytes: 95,
      logCount: 3,
      end: position("3alpha:5"),
      lastWriteNs: 9n,
    }],
    undecided: ["delta"],
  });
});

Deno.test("splitBrainOf() of three sides begins where the first one left", () => {
  const view = viewOf({
    alpha: "1alpha:100 2alpha:50",
    beta: "1alpha:100 2beta:10",
    gamma: "1alpha:20 2gamma:1",
  });
  const split = splitBrainOf(view, () => undefined);
  assertEquals(split?.ancestor, position("1alpha:20"));
  assertEquals(
    split?.sides.map(({ host, writtenBytes }) => [host, writtenBytes]),
    [["alpha", 130], ["beta", 90], ["gamma", 1]],
  );
});

Deno.test("findSplits() follows what is dirty into later logs", () => {
  const history = "1alpha:100 2alpha:50";
  const replayed = (dirtyBytes: number) =>
    findSplits(viewOf({ alpha: history, beta: history }, {
      "replay-alpha": `log-000000001-alpha,80,${dirtyBytes}`,
    }));
  assertEquals(replayed(20 + 50), []);
  assertEquals(replayed(20 + 30), []);
  assertEquals(replayed(0), []);
  // There is no version link of what would come then.
  const other = { alpha: "1alpha:100", beta: "1alpha:100 2beta:50" };
  const split = findSplits(viewOf(other, {
    "replay-alpha": "log-000000001-alpha,80,70",
  }));
  assertEquals(split.length, 1);
});
