// Runs before the first paint, so that a dark page never flashes white.
// The key is the one of src/base/theme.ts.
(() => {
  let theme = "";
  try {
    theme = localStorage.getItem("clew.theme") ?? "";
  } catch {
    // Storage may be denied; the system's theme is used then.
  }
  const dark = theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
