/**
 * Which colour a service has. Eight colours are told apart by every kind of colour
 * vision on both themes; past eight they come again with a hatch. A service keeps
 * its colour for as long as the page's storage lives, and two browsers that know the
 * same services agree, because names are assigned in order of the alphabet.
 */
export const COLOURS = 8;
/** Assignments kept; the oldest go first. */
export const MAX_ASSIGNED = 512;

/** Slot 0–7 is a plain colour, 8–15 the same with one hatch, 16–23 with another, and so on. */
export type Slots = ReadonlyMap<string, number>;

/** Adds the names that have no slot yet. Each takes the slot its hash prefers among those least used. */
export function assign(kept: Slots, names: readonly string[]): Slots {
  const fresh = [...new Set(names)].filter((n) => !kept.has(n)).toSorted();
  if (fresh.length === 0) return kept;
  const slots = new Map(kept);
  for (const name of fresh) {
    const used = new Set(slots.values());
    let turn = 0;
    while (Array.from({ length: COLOURS }, (_, c) => turn * COLOURS + c).every((s) => used.has(s))) turn++;
    let c = hash(name) % COLOURS;
    while (used.has(turn * COLOURS + c)) c = (c + 1) % COLOURS;
    slots.set(name, turn * COLOURS + c);
  }
  for (const oldest of slots.keys()) {
    if (slots.size <= MAX_ASSIGNED) break;
    slots.delete(oldest);
  }
  return slots;
}

/** FNV-1a over UTF-16 units. */
function hash(s: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < s.length; i++) h = Math.imul(h ^ s.charCodeAt(i), 0x01000193) >>> 0;
  return h;
}
