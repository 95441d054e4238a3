/**
 * Chaos: what clients, administrators, hardware and network do at random.
 *
 * Each kind of event is a row with a weight; a run leaves some kinds out, so
 * that rare combinations get time of their own.
 */
import type { ClusterWorld } from "./cluster_world.ts";
import type { SimHost } from "./host.ts";
import { ShareChaos } from "./share_chaos.ts";
import { StorageChaos } from "./storage_chaos.ts";

export interface Chaos {
  readonly durationMs: number;
  /** Until the next event. */
  readonly pauseMs: () => number;
  /** Lets something happen. */
  readonly act: () => void;
  /** Takes back what can be taken back: everybody runs and hears each other. */
  readonly end: () => void;
}

interface Row {
  readonly name: string;
  readonly weight: number;
  readonly act: (world: ClusterWorld, host: SimHost) => void;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PAUSE_MS = 60;
/** What stands for a resource and its disk in a row. */
const RES = "RES";
const DISK = "DISK";

/** A command; what stands for a resource and its disk is filled in. */
function typed(weight: number, ...words: string[]): Row {
  return {
    name: words.join(" "),
    weight,
    act: (world, host) => {
      if (host.commands.length >= 2) return;
      const { resource, diskPath } = world.anyWatch();
      const filled = words.map((word) =>
        word === RES ? resource : word === DISK ? diskPath : word
      );
      world.type(host, ...filled);
    },
  };
}

const CLIENTS: readonly Row[] = [
  {
    name: "write",
    weight: 60,
    act: (world) => {
      for (const { worker } of serving(world)) {
        if (worker.clientCount === 0) continue;
        for (let count = world.random.below(8); count >= 0; count--) {
          worker.write();
        }
      }
    },
  },
  {
    name: "open",
    weight: 12,
    act: (world) => {
      for (const { worker } of serving(world)) {
        if (worker.isServing && worker.clientCount === 0) worker.openDevice();
      }
    },
  },
  {
    name: "close",
    weight: 5,
    act: (world) => {
      for (const { worker } of serving(world)) {
        if (worker.clientCount > 0) worker.closeDevice();
      }
    },
  },
];

const COMMANDS: readonly Row[] = [
  {
    name: "primary",
    weight: 4,
    act: (world, host) => {
      const { resource } = world.anyWatch();
      // A busy device would be in the way.
      for (const { worker } of serving(world)) {
        const isIts = worker.resource === resource;
        if (isIts && worker.clientCount > 0) worker.closeDevice();
      }
      if (host.commands.length < 2) {
        world.type(host, "primary", resource, "--timeout=15");
      }
    },
  },
  typed(1, "secondary", RES, "--timeout=5"),
  typed(1, "pause-fetch", RES),
  typed(2, "resume-fetch", RES),
  typed(1, "pause-replay", RES),
  typed(2, "resume-replay", RES),
  typed(1, "pause-sync", RES),
  typed(2, "resume-sync", RES),
  typed(1, "detach", RES, "--timeout=5"),
  typed(2, "attach", RES, "--timeout=5"),
  typed(1, "down", RES, "--timeout=5"),
  typed(3, "up", RES, "--timeout=5"),
  typed(5, "log-rotate", RES),
  typed(3, "log-delete", RES, "--window=1"),
  typed(2, "cron", "--window=1"),
  typed(1, "invalidate", RES, "--timeout=10"),
  typed(2, "join-resource", RES, DISK, "--timeout=5"),
  typed(1, "leave-resource", RES, "--timeout=5"),
  {
    name: "interrupt",
    weight: 1,
    act: (_world, host) => host.interruptCommands(),
  },
  {
    name: "kill command",
    weight: 1,
    act: (_world, host) => host.killCommands(),
  },
];

const FORCE: readonly Row[] = [
  {
    name: "force",
    weight: 4,
    act: (world, host) => {
      const { resource } = world.anyWatch();
      const force = async (): Promise<void> => {
        await world.typeAndWait(host, "pause-fetch", resource);
        await world.typeAndWait(
          host,
          "primary",
          resource,
          "--force",
          "--timeout=10",
        );
      };
      if (host.commands.length === 0) world.track(force());
    },
  },
];

const CRASHES: readonly Row[] = [
  {
    name: "kill",
    weight: 2,
    act: (world, host) => {
      if (!host.isRunning) return;
      world.note(`${host.name}: killed`);
      host.kill();
      restart(world, host);
    },
  },
  {
    name: "power",
    weight: 2,
    act: (world, host) => {
      if (!host.isRunning) return;
      world.note(`${host.name}: loses power`);
      host.cutPower();
      for (const watch of world.watches) watch.onPowerLoss(host);
      restart(world, host);
    },
  },
  {
    name: "stop",
    weight: 1,
    act: (world, host) => {
      if (!host.isRunning) return;
      world.note(`${host.name}: is stopped`);
      world.time.spawn(host.stop());
      restart(world, host);
    },
  },
  {
    name: "start",
    weight: 3,
    act: (world, host) => start(world, host),
  },
];

const NETWORK: readonly Row[] = [
  {
    name: "partition",
    weight: 2,
    act: (world, host) => {
      world.note(`${host.name}: is cut off`);
      for (const other of world.hosts) {
        if (other === host) continue;
        world.network.block(host.name, other.name);
        world.network.block(other.name, host.name);
      }
    },
  },
  {
    name: "one way",
    weight: 2,
    act: (world, host) => {
      const other = world.anyHost();
      if (other === host) return;
      world.note(`${other.name}: hears nothing of ${host.name}`);
      world.network.block(host.name, other.name);
    },
  },
  {
    name: "heal",
    weight: 4,
    act: (world) => {
      world.note("all lines are free");
      world.network.unblockAll();
    },
  },
  {
    name: "reset",
    weight: 3,
    act: (world, host) => {
      world.note(`${host.name}: loses its lines`);
      world.network.reset(host.name);
    },
  },
  {
    name: "delay",
    weight: 1,
    act: (world, host) => {
      const other = world.anyHost();
      const direction = world.network.direction(host.name, other.name);
      direction.delayMs = world.random.chance(0.3)
        ? 300 * world.random.next()
        : 3 * world.random.next();
    },
  },
];

const CLOCKS: readonly Row[] = [
  {
    name: "step",
    weight: 2,
    act: (world, host) => {
      const signed = 2 * world.random.next() - 1;
      setClock(world, host, signed * HOUR_MS);
    },
  },
  {
    name: "leap",
    weight: 1,
    act: (world, host) => {
      const days = world.random.chance(0.5) ? 30 : -30;
      setClock(world, host, days * DAY_MS * (0.9 + 0.2 * world.random.next()));
    },
  },
  {
    name: "drift",
    weight: 1,
    act: (world, host) => {
      host.clock.setDrift(0.02 * (2 * world.random.next() - 1));
    },
  },
  {
    name: "right",
    weight: 2,
    act: (world, host) => setClock(world, host, 0),
  },
];

/** Most runs are short; what needs long ones is rare, and found by many. */
function anyDuration({ random }: ClusterWorld): number {
  const share = random.next();
  const mostMs = share < 0.04 ? 20_000 : share < 0.2 ? 6_000 : 2_000;
  return mostMs * (0.3 + 0.7 * random.next());
}

/** What may happen in this run. */
export function chaosOf(
  world: ClusterWorld,
  givenMs: number | undefined,
): Chaos {
  const { random } = world;
  const ownMs = anyDuration(world);
  const durationMs = givenMs ?? ownMs;
  const rows = [
    ...CLIENTS,
    ...(random.chance(0.85) ? COMMANDS : []),
    ...(random.chance(0.25) ? FORCE : []),
    ...(random.chance(0.7) ? CRASHES : []),
    ...(random.chance(0.7) ? NETWORK : []),
    ...(random.chance(0.4) ? CLOCKS : []),
  ];
  const total = rows.reduce((sum, { weight }) => sum + weight, 0);
  const tempo = 0.3 + 2 * random.next();
  const storage = new StorageChaos(world);
  const share = new ShareChaos(world);
  return {
    durationMs,
    pauseMs: () => tempo * PAUSE_MS * 2 * random.next(),
    act: () => {
      let at = random.next() * total;
      const row = rows.find(({ weight }) => (at -= weight) < 0);
      row?.act(world, world.anyHost());
      storage.act();
      share.act();
    },
    end: () => {
      storage.end();
      share.end();
      for (const host of world.hosts) {
        setClock(world, host, 0);
        host.clock.setDrift(0);
        start(world, host);
        for (const { resource } of world.watches) {
          const worker = host.worker(resource);
          while ((worker?.clientCount ?? 0) > 0) worker?.closeDevice();
        }
      }
      world.network.unblockAll();
    },
  };
}

function setClock(world: ClusterWorld, host: SimHost, offsetMs: number): void {
  world.note(`${host.name}: clock off by ${Math.round(offsetMs)} ms`);
  host.clock.offsetMs = offsetMs;
}

function start(world: ClusterWorld, host: SimHost): void {
  if (host.isRunning) return;
  world.note(`${host.name}: starts`);
  host.start();
}

/** Most hosts come back by themselves. */
function restart(world: ClusterWorld, host: SimHost): void {
  if (!world.random.chance(0.7)) return;
  world.time.after(3_000 * world.random.next(), () => {
    if (world.isChaos) start(world, host);
  });
}

function serving(
  world: ClusterWorld,
): { worker: NonNullable<ReturnType<SimHost["worker"]>> }[] {
  return world.hosts.flatMap((host) =>
    world.watches.flatMap(({ resource }) => {
      const worker = host.worker(resource);
      const isOpen = worker !== undefined &&
        (worker.isServing || worker.clientCount > 0);
      return isOpen ? [{ worker }] : [];
    })
  );
}
