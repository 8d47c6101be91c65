/** Theme and density. */
import { Icon } from "../base/Icon.tsx";
import { Popover } from "../base/Popover.tsx";
import { setDensity, setTheme, useDensity, useTheme, type Density, type Theme } from "../base/theme.ts";

const THEMES: { id: Theme; title: string }[] = [{ id: "system", title: "System" }, { id: "light", title: "Light" }, { id: "dark", title: "Dark" }];
const DENSITIES: { id: Density; title: string }[] = [{ id: "normal", title: "Normal" }, { id: "compact", title: "Compact" }];

export function LookMenu() {
  const theme = useTheme();
  const density = useDensity();
  return (
    <Popover align="right" className="button quiet square" label="Theme and density" button={<Icon name={theme === "dark" ? "moon" : theme === "light" ? "sun" : "system"} />}>
      {() => (
        <div className="look">
          <fieldset>
            <legend>Theme</legend>
            <div className="segments">
              {THEMES.map((t) => (
                <button key={t.id} type="button" aria-pressed={theme === t.id} onClick={() => setTheme(t.id)}>{t.title}</button>
              ))}
            </div>
          </fieldset>
          <fieldset>
            <legend>Rows</legend>
            <div className="segments">
              {DENSITIES.map((d) => (
                <button key={d.id} type="button" aria-pressed={density === d.id} onClick={() => setDensity(d.id)}>{d.title}</button>
              ))}
            </div>
          </fieldset>
        </div>
      )}
    </Popover>
  );
}
