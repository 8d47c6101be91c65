/** The zone of shown times, "utc" or "" for the browser's own. The address bar holds it; the shell hands it down. */
import { createContext, useContext } from "react";

export const ZoneContext = createContext<"" | "utc">("");
export function useZone(): "" | "utc" {
  return useContext(ZoneContext);
}
