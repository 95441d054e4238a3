// Pure
/** Text in columns, for a screen. */

const WIDTH = 80;

/** `text` in lines of 80 columns, behind `name` and below it. */
export function hanging(name: string, indent: number, text: string): string[] {
  const lines: string[] = [];
  let line = name.padEnd(indent);
  if (line.trimEnd().length >= indent && name !== "") {
    lines.push(name);
    line = " ".repeat(indent);
  }
  let isEmpty = true;
  for (const word of text.split(" ")) {
    const space = isEmpty ? "" : " ";
    if (!isEmpty && line.length + space.length + word.length > WIDTH) {
      lines.push(line);
      line = " ".repeat(indent) + word;
    } else line += space + word;
    isEmpty = false;
  }
  return [...lines, line.trimEnd()];
}
