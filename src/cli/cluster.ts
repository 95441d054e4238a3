/** Commands on the cluster and its hosts. */
import { CREATE_COMMANDS } from "./cluster_create.ts";
import { JOIN_COMMANDS } from "./cluster_join.ts";
import { LEAVE_CLUSTER_COMMANDS } from "./cluster_leave.ts";
import { MERGE_COMMANDS } from "./cluster_merge.ts";
import { SPLIT_COMMANDS } from "./cluster_split.ts";
import type { Command } from "./command.ts";
import { GUEST_COMMANDS } from "./guest.ts";
import { HOST_COMMANDS } from "./hosts.ts";

export const CLUSTER_COMMANDS: readonly Command[] = [
  ...CREATE_COMMANDS,
  ...JOIN_COMMANDS,
  ...MERGE_COMMANDS,
  ...SPLIT_COMMANDS,
  ...LEAVE_CLUSTER_COMMANDS,
  ...HOST_COMMANDS,
  ...GUEST_COMMANDS,
];
