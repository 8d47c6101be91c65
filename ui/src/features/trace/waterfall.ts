/**
 * The waterfall without React: a scrolling treegrid whose rows are recycled and whose
 * bars are one canvas. A trace of a million spans costs as many nodes as fit the screen.
 *
 *     host (treegrid, scrolls)
 *     ├─ layer (sticky, as high as the view): pool of rows, canvas on their right
 *     └─ spacer (gives the scroll bar its length)
 *
 * `top` is the truth about the position, in pixels of rows. Browsers limit how high an
 * element may be, so past MAX_HEIGHT the scroll bar is a scaled picture of `top`: its
 * last pixel is the last row, and wheel steps move `top` directly.
 */
import { canvasColours, onLook } from "../../base/theme.ts";
import { clampWindow, fromPixel, pan, zoom, type Window } from "../../model/scale.ts";
import type { Trace } from "../../model/skeleton.ts";
import { reveal, rowOf, visibleRows, type Folds } from "../../model/tree.ts";
import { barsRoom, drawBars } from "./drawBars.ts";
import { Row } from "./row.ts";

/** Firefox stops at about 17.9 million pixels, Chromium at 33.5 million. */
const MAX_HEIGHT = 8_000_000;
/** Width of the column of durations. */
export const TIME_WIDTH = 76;

export interface WaterfallEvents {
  select(span: number): void;
  open(span: number): void;
  hover(span: number): void;
  window(w: Window): void;
  folds(): void;
}

export class Waterfall {
  rows: Uint32Array;
  selected = -1;
  window: Window;
  private readonly layer = document.createElement("div");
  private readonly spacer = document.createElement("div");
  private readonly canvas = document.createElement("canvas");
  private pool: Row[] = [];
  private top = 0;
  private height = 0;
  private width = 0;
  private rowHeight = canvasColours().row;
  private hit: Uint8Array | undefined;
  private frame = 0;
  private forced = true;
  private wantedScroll = -1;
  private readonly stop: (() => void)[] = [];

  constructor(
    private readonly host: HTMLElement,
    private readonly trace: Trace,
    readonly folds: Folds,
    private readonly slots: number[],
    private nameWidth: number,
    window: Window,
    private readonly on: WaterfallEvents,
  ) {
    this.window = window;
    this.rows = visibleRows(trace, folds);
    this.layer.className = "wf-layer";
    this.layer.setAttribute("role", "presentation");
    this.canvas.className = "wf-bars";
    this.canvas.setAttribute("aria-hidden", "true");
    this.layer.append(this.canvas);
    this.spacer.setAttribute("role", "presentation");
    host.replaceChildren(this.layer, this.spacer);
    const observer = new ResizeObserver(() => this.resize());
    observer.observe(host);
    this.stop.push(() => observer.disconnect());
    this.stop.push(
      onLook(() => {
        this.rowHeight = canvasColours().row;
        this.resize();
      }),
    );
    this.listen("scroll", () => this.scrolled(), { passive: true });
    this.listen("wheel", (e) => this.wheel(e), { passive: false });
    this.listen("click", (e) => this.click(e));
    this.listen("dblclick", (e) => this.doubleClick(e));
    this.listen("pointermove", (e) => this.on.hover(this.spanAt(e)), { passive: true });
    this.listen("keydown", (e) => this.key(e));
    this.resize();
  }

  destroy(): void {
    cancelAnimationFrame(this.frame);
    for (const f of this.stop) f();
    this.host.replaceChildren();
  }

  private listen<K extends keyof HTMLElementEventMap>(type: K, f: (e: HTMLElementEventMap[K]) => void, options?: AddEventListenerOptions): void {
    this.host.addEventListener(type, f, options);
    this.stop.push(() => this.host.removeEventListener(type, f, options));
  }

  // What the page asks for.

  setNameWidth(px: number): void {
    this.nameWidth = px;
    this.resize();
  }

  setHits(hits: Uint32Array | undefined): void {
    if (hits === undefined) this.hit = undefined;
    else {
      this.hit = new Uint8Array(this.trace.count);
      for (const i of hits) this.hit[i] = 1;
    }
    this.draw(true);
  }

  setWindow(w: Window): void {
    this.window = clampWindow(w, this.trace.end);
    this.on.window(this.window);
    this.draw();
  }
  zoomBy(factor: number): void {
    const i = this.selected;
    const centre = i >= 0 ? this.trace.start[i] + this.trace.duration[i] / 2 : -1;
    const inside = centre >= this.window.from && centre <= this.window.to;
    this.setWindow(zoom(this.window, inside ? centre : (this.window.from + this.window.to) / 2, factor, this.trace.end));
  }
  panBy(share: number): void {
    this.setWindow(pan(this.window, share, this.trace.end));
  }
  /** First centres the selected span, then, when it is centred already, fills the window with it. */
  focusSpan(): void {
    const i = this.selected;
    if (i < 0) return;
    const length = Math.max(this.trace.duration[i], this.trace.end / 1e6, 1);
    const centre = this.trace.start[i] + this.trace.duration[i] / 2;
    const wide = { from: centre - 2.5 * length, to: centre + 2.5 * length };
    const close = clampWindow(wide, this.trace.end);
    const there = Math.abs(this.window.from - close.from) + Math.abs(this.window.to - close.to) < length / 100;
    this.setWindow(there ? { from: this.trace.start[i] - length * 0.02, to: this.trace.start[i] + length * 1.02 } : close);
  }

  /** Selects a span, opens the folds above it and brings its row into view. */
  select(i: number): void {
    if (i < 0 || i >= this.trace.count) return;
    if (reveal(this.trace, this.folds, i)) this.folded();
    this.selected = i;
    this.bringIntoView(i);
    this.on.select(i);
    this.draw(true);
  }
  private bringIntoView(i: number): void {
    const y = rowOf(this.rows, i) * this.rowHeight;
    const margin = Math.min(2 * this.rowHeight, this.height / 4);
    if (y < this.top + margin) this.scrollTo(y - margin);
    else if (y + this.rowHeight > this.top + this.height - margin) this.scrollTo(y + this.rowHeight - this.height + margin);
  }
  private inView(i: number): boolean {
    const y = rowOf(this.rows, i) * this.rowHeight;
    return y + this.rowHeight > this.top && y < this.top + this.height;
  }
  /** Moves the selection by rows. */
  move(by: number): void {
    if (this.rows.length === 0) return;
    const at = this.selected < 0 ? (by > 0 ? -1 : 0) : rowOf(this.rows, this.selected);
    this.select(this.rows[Math.min(this.rows.length - 1, Math.max(0, at + by))]);
  }
  setFold(i: number, folded: boolean): void {
    if (this.trace.size[i] <= 1 || (this.folds[i] === 1) === folded) return;
    this.folds[i] = folded ? 1 : 0;
    this.folded();
    if (folded && this.selected > i && this.selected < i + this.trace.size[i]) this.select(i);
  }
  /** Folds or opens, then, when nothing changes, goes to the parent or the first child: the treegrid pattern. */
  left(): void {
    const i = this.selected;
    if (i < 0) return;
    if (this.trace.size[i] > 1 && this.folds[i] === 0) this.setFold(i, true);
    else if (this.trace.parent[i] >= 0) this.select(this.trace.parent[i]);
  }
  right(): void {
    const i = this.selected;
    if (i < 0 || this.trace.size[i] <= 1) return;
    if (this.folds[i] === 1) this.setFold(i, false);
    else this.select(i + 1);
  }
  /** After the folds changed from outside. */
  folded(): void {
    this.rows = visibleRows(this.trace, this.folds);
    this.host.setAttribute("aria-rowcount", String(this.rows.length));
    this.stretch();
    this.scrollTo(this.top);
    this.on.folds();
    this.draw(true);
  }
  focus(): void {
    this.host.focus({ preventScroll: true });
  }

  // Position.

  private get total(): number {
    return this.rows.length * this.rowHeight;
  }
  private get scaled(): boolean {
    return this.total > MAX_HEIGHT;
  }
  private resize(): void {
    const keep = this.selected >= 0 && this.inView(this.selected);
    this.height = this.host.clientHeight;
    this.width = this.host.clientWidth;
    this.layer.style.height = `${this.height}px`;
    this.host.style.setProperty("--name-width", `${this.nameWidth}px`);
    this.canvas.style.left = `${this.nameWidth + TIME_WIDTH}px`;
    const wanted = Math.ceil(this.height / this.rowHeight) + 2;
    while (this.pool.length < wanted) {
      const row = new Row(`wf-row-${this.pool.length}`);
      this.pool.push(row);
      this.layer.insertBefore(row.el, this.canvas);
    }
    for (const row of this.pool.splice(wanted)) row.el.remove();
    this.host.setAttribute("aria-rowcount", String(this.rows.length));
    this.stretch();
    this.scrollTo(this.top);
    if (keep) this.bringIntoView(this.selected);
    this.draw(true);
  }
  private stretch(): void {
    this.spacer.style.height = `${Math.max(0, Math.min(this.total, MAX_HEIGHT) - this.height)}px`;
  }
  private scrollTo(y: number): void {
    const most = Math.max(0, this.total - this.height);
    this.top = Math.min(Math.max(0, y), most);
    const room = Math.min(this.total, MAX_HEIGHT) - this.height;
    const bar = most === 0 ? 0 : this.scaled ? (this.top / most) * room : this.top;
    this.wantedScroll = Math.round(bar);
    this.host.scrollTop = this.wantedScroll;
    this.draw();
  }
  private scrolled(): void {
    const at = this.host.scrollTop;
    if (Math.abs(at - this.wantedScroll) < 1) return;
    this.wantedScroll = -1;
    const most = Math.max(0, this.total - this.height);
    this.top = this.scaled ? Math.min(1, at / (MAX_HEIGHT - this.height)) * most : at;
    this.draw();
  }
  private wheel(e: WheelEvent): void {
    if (e.ctrlKey || e.metaKey) {
      e.preventDefault();
      const x = e.clientX - this.host.getBoundingClientRect().left - this.nameWidth - TIME_WIDTH;
      const at = fromPixel(this.window, Math.max(0, x), barsRoom(this.barsWidth));
      this.setWindow(zoom(this.window, at, 1.0015 ** e.deltaY, this.trace.end));
    } else if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
      e.preventDefault();
      this.panBy((e.deltaX || e.deltaY) / barsRoom(this.barsWidth));
    } else if (this.scaled) {
      e.preventDefault();
      this.scrollTo(this.top + (e.deltaMode === 1 ? e.deltaY * this.rowHeight : e.deltaY));
    }
  }
  private get barsWidth(): number {
    return Math.max(0, this.width - this.nameWidth - TIME_WIDTH);
  }

  // Pointer and keys.

  private spanAt(e: MouseEvent): number {
    const y = e.clientY - this.host.getBoundingClientRect().top + this.top;
    const row = Math.floor(y / this.rowHeight);
    return row >= 0 && row < this.rows.length ? this.rows[row] : -1;
  }
  private click(e: MouseEvent): void {
    const i = this.spanAt(e);
    if (i < 0) return;
    if ((e.target as HTMLElement).closest(".wf-fold") && this.trace.size[i] > 1) {
      this.setFold(i, this.folds[i] === 0);
      return;
    }
    this.select(i);
    this.on.open(i);
  }
  private doubleClick(e: MouseEvent): void {
    const i = this.spanAt(e);
    if (i < 0 || (e.target as HTMLElement).closest(".wf-fold")) return;
    this.select(i);
    this.focusSpan();
  }
  private key(e: KeyboardEvent): void {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const page = Math.max(1, Math.floor(this.height / this.rowHeight) - 2);
    const run: Record<string, () => void> = {
      ArrowDown: () => this.move(1),
      ArrowUp: () => this.move(-1),
      ArrowLeft: () => this.left(),
      ArrowRight: () => this.right(),
      PageDown: () => this.move(page),
      PageUp: () => this.move(-page),
      Home: () => this.move(-this.rows.length),
      End: () => this.move(this.rows.length),
      Enter: () => this.on.open(this.selected),
    };
    const f = run[e.key];
    if (!f) return;
    e.preventDefault();
    f();
  }

  // Drawing, at most once a frame.

  draw(force = false): void {
    this.forced ||= force;
    if (this.frame !== 0) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
    });
  }

  private paint(): void {
    if (this.height === 0 || this.pool.length === 0) return;
    const force = this.forced;
    this.forced = false;
    const first = Math.floor(this.top / this.rowHeight);
    const offset = first * this.rowHeight - this.top;
    const last = Math.min(this.rows.length, first + this.pool.length);
    let active = "";
    for (let r = first; r < first + this.pool.length; r++) {
      const row = this.pool[r % this.pool.length];
      if (r >= last) {
        row.hide();
        continue;
      }
      const i = this.rows[r];
      const changed = row.span !== i || force;
      row.show(this.trace, i, r, this.folds[i] === 1, this.slots[this.trace.service[i]], force);
      if (changed) {
        row.select(this.trace, i === this.selected);
        row.find(this.hit === undefined ? "" : this.hit[i] === 1 ? "hit" : "quiet");
      }
      if (i === this.selected) active = row.el.id;
      row.el.style.transform = `translateY(${offset + (r - first) * this.rowHeight}px)`;
    }
    if (active === "") this.host.removeAttribute("aria-activedescendant");
    else this.host.setAttribute("aria-activedescendant", active);
    drawBars(this.canvas, this.trace, this.rows, {
      width: this.barsWidth, height: this.height, rowHeight: this.rowHeight, window: this.window, first, top: offset,
      selected: this.selected, hit: this.hit, slots: this.slots, folds: this.folds,
    });
  }
}
