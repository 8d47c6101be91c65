/** Server-sent events as a parser: text comes in pieces, whole events go out. */

export interface ServerEvent {
  type: string;
  data: string;
}

/** An event larger than this is dropped, so that a broken stream cannot fill the memory. */
export const MAX_EVENT_CHARS = 4_000_000;

/** Returns a function that takes the next piece and gives the events that it completes. */
export function sseParser(): (piece: string) => ServerEvent[] {
  let rest = "";
  let type = "";
  let data: string[] = [];
  let size = 0;
  return (piece) => {
    const events: ServerEvent[] = [];
    rest += piece;
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    if (rest.length > MAX_EVENT_CHARS) rest = "";
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0 && size <= MAX_EVENT_CHARS) events.push({ type: type || "message", data: data.join("\n") });
        [type, data, size] = ["", [], 0];
        continue;
      }
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
      if (field === "event") type = value;
      if (field === "data") {
        size += value.length;
        if (size <= MAX_EVENT_CHARS) data.push(value);
      }
    }
    return events;
  };
}
