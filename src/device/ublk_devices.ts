/** Which devices of ublk there are: the kernel shows a node for each. */

const DIRECTORY = "/dev";
const NODE = /^ublkc(\d{1,9})$/;

/** Numbers of all devices, whoever they belong to. */
export function deviceIds(): number[] {
  return [...Deno.readDirSync(DIRECTORY)].flatMap(({ name }) => {
    const number = NODE.exec(name)?.[1];
    return number === undefined ? [] : [Number(number)];
  });
}
