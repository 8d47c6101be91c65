/** Sorting a table by a column named in the address bar: "name" up, "-errors" down. */

export interface Sort {
  column: string;
  down: boolean;
}

export function parseSort(text: string | undefined, columns: readonly string[], fallback: Sort): Sort {
  const [column, down] = text?.startsWith("-") ? [text.slice(1), true] : [text ?? "", false];
  return columns.includes(column) ? { column, down } : fallback;
}

/** What a click on a column's head asks for: numbers start with the highest, texts with the first. */
export function nextSort(now: Sort, column: string, text: boolean): string {
  const down = now.column === column ? !now.down : !text;
  return down ? `-${column}` : column;
}

/** Sorted copy; ties by name, so that the order never depends on the answer's. */
export function sortRows<T>(rows: readonly T[], s: Sort, value: (row: T, column: string) => number | string, name: (row: T) => string): T[] {
  const sign = s.down ? -1 : 1;
  return rows.toSorted((a, b) => {
    const x = value(a, s.column);
    const y = value(b, s.column);
    if (x !== y) return (x < y ? -1 : 1) * sign;
    return name(a) < name(b) ? -1 : 1;
  });
}
