/** One recycled row of the waterfall: a handful of DOM nodes whose text changes as rows scroll by. */
import { formatDuration, groupDigits } from "../../model/format.ts";
import { hasEvents, isError, parentMissing, statusOf, type Trace } from "../../model/skeleton.ts";
import { siblingPlace } from "../../model/tree.ts";

/** Deeper rows are not indented further; a number says how deep they are. */
export const MAX_INDENT = 24;
const INDENT_PX = 12;

const SVG = "http://www.w3.org/2000/svg";

export class Row {
  readonly el = document.createElement("div");
  /** Span index shown, −1 when the row is not in use. */
  span = -1;
  private readonly name = part("div", "wf-name");
  private readonly depth = part("span", "wf-depth");
  private readonly fold = part("span", "wf-fold");
  private readonly swatch = part("span", "swatch");
  private readonly service = part("span", "wf-service");
  private readonly title = part("span", "wf-title");
  private readonly note = part("span", "wf-note");
  private readonly mark = diamond();
  private readonly time = part("div", "wf-time num");

  constructor(id: string) {
    this.el.className = "wf-row";
    this.el.id = id;
    this.el.setAttribute("role", "row");
    this.name.setAttribute("role", "gridcell");
    this.time.setAttribute("role", "gridcell");
    this.name.append(this.depth, this.fold, this.swatch, this.mark, this.service, this.title, this.note);
    this.el.append(this.name, this.time);
    this.el.hidden = true;
  }

  hide(): void {
    this.span = -1;
    this.el.hidden = true;
  }

  /** Shows span i as row `row` (from 0). Costs nothing when it already does; `force` after a fold or a new theme. */
  show(t: Trace, i: number, row: number, folded: boolean, slot: number, force: boolean): void {
    if (this.span === i && !force) return;
    this.span = i;
    this.el.hidden = false;
    const level = t.depth[i];
    const children = t.size[i] - 1;
    this.name.style.paddingLeft = `${8 + Math.min(level, MAX_INDENT) * INDENT_PX}px`;
    this.depth.textContent = level > MAX_INDENT ? String(level) : "";
    this.fold.dataset["state"] = children === 0 ? "none" : folded ? "folded" : "open";
    this.fold.textContent = children === 0 ? "" : folded ? `${groupDigits(children)}` : "";
    this.swatch.dataset["slot"] = String(slot % 8);
    if (slot >= 8) this.swatch.dataset["hatch"] = "";
    else delete this.swatch.dataset["hatch"];
    const error = isError(t, i);
    this.mark.style.display = error ? "" : "none";
    const service = t.services[t.service[i]];
    this.service.textContent = t.parent[i] >= 0 && t.service[t.parent[i]] === t.service[i] ? "" : service;
    this.title.textContent = t.names[t.name[i]];
    this.title.title = `${service}: ${t.names[t.name[i]]}`;
    this.el.classList.toggle("error", error);
    const notes = [parentMissing(t, i) ? "parent missing" : "", hasEvents(t, i) ? "•" : ""].filter((n) => n !== "");
    this.note.textContent = notes.join(" ");
    this.time.textContent = formatDuration(t.duration[i]);
    this.el.setAttribute("aria-level", String(level + 1));
    this.el.setAttribute("aria-rowindex", String(row + 1));
    if (children > 0) this.el.setAttribute("aria-expanded", String(!folded));
    else this.el.removeAttribute("aria-expanded");
    this.el.setAttribute("aria-label", `${service}, ${t.names[t.name[i]]}, ${formatDuration(t.duration[i])}${error ? `, ${statusOf(t, i)}` : ""}`);
  }

  /** The place among its siblings is said for the selected row only: finding it walks the parent's children. */
  select(t: Trace, on: boolean): void {
    this.el.setAttribute("aria-selected", String(on));
    this.el.classList.toggle("selected", on);
    if (!on || this.span < 0) return;
    const { place, of } = siblingPlace(t, this.span);
    this.el.setAttribute("aria-posinset", String(place));
    this.el.setAttribute("aria-setsize", String(of));
  }
}

function part(tag: string, className: string): HTMLElement {
  const el = document.createElement(tag);
  el.className = className;
  return el;
}

function diamond(): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.setAttribute("class", "wf-mark");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", "M6 1l5 5-5 5-5-5z");
  svg.append(path);
  return svg;
}
