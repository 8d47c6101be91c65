/** The colour slots of services, shared by every view and kept by this browser. */
import { store, stored } from "../base/theme.ts";
import { assign, type Slots } from "../model/palette.ts";

const KEY = "clew.colours";
let slots: Slots = read();

function read(): Slots {
  try {
    const pairs = JSON.parse(stored(KEY) || "[]") as [string, number][];
    return new Map(pairs.filter(([name, slot]) => typeof name === "string" && Number.isSafeInteger(slot) && slot >= 0));
  } catch {
    return new Map();
  }
}

/** Gives every new name a slot. Called with whole lists, so that the order of arrival matters little. */
export function learn(names: readonly string[]): void {
  const next = assign(slots, names);
  if (next === slots) return;
  slots = next;
  store(KEY, JSON.stringify([...slots]));
}

/** 0–7 plain, 8 more for each hatch. */
export function slotOf(name: string): number {
  let slot = slots.get(name);
  if (slot === undefined) {
    learn([name]);
    slot = slots.get(name) ?? 0;
  }
  return slot;
}
