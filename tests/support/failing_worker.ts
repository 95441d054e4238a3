/** A worker that throws as soon as there is a file "fail" beside its logs. */
import { runWorker } from "../../src/dataplane/worker.ts";

let directory = "";
addEventListener("message", (event) => {
  // True because `handle.ts` sends it.
  directory = (event as MessageEvent<{ logDirectory: string }>).data
    .logDirectory;
}, { once: true });

const monotonicMs = performance.now.bind(performance);
performance.now = (): number => {
  try {
    Deno.statSync(`${directory}/fail`);
  } catch {
    // Not yet.
    return monotonicMs();
  }
  throw new Error("the test wants it");
};

runWorker();
